"""Pictures, sounds and tables that are streamed take a bounded memory, whatever their number.

Each case is a process of its own, for memory that a process has had is not given back. It prints, over the bytes
of the decoded samples: how much more memory it had at its highest than before, the pages of files included, and
how much more it holds at the end that is no file's.
"""

import json
import os
import subprocess
import sys

import pytest
from media import write_pictures, write_sounds

pytestmark = pytest.mark.slow

PROGRAM = """
import gc, json, sys
from pathlib import Path
import torch
from lightune.augmentation import Augmentation
from lightune.data import AudioFolder, ImageFolder
from lightune.validation import Holdout

def read(file, name):
    lines = Path(file).read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

kind, how, strengths = json.loads(sys.argv[1])
torch.set_num_threads(1)
data = (ImageFolder if kind == "image" else AudioFolder)(**how, num_workers=0)
data.originals(1)  # what reads files is imported now
before = read("/proc/self/status", "VmRSS"), read("/proc/self/smaps_rollup", "Anonymous")
if strengths:
    data.augment(Augmentation(**strengths))
data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
data.described(), data.fingerprint(), data.digests()
for loader in (data.train_dataloader(), data.val_dataloader()):
    for _ in loader:
        pass
gc.collect()
after = read("/proc/self/status", "VmHWM"), read("/proc/self/smaps_rollup", "Anonymous")
print(*((now - then) / data.samples.inputs.nbytes for then, now in zip(before, after)))
"""

CASES = {
    "varied pictures": ("image", {"image_size": 512}, {"flip": 0.5}),
    "sounds": ("audio", {"sample_rate": 8000, "seconds": 20.0, "mels": 128}, {}),
}


def measured(kind, how, strengths, folder, placement):
    """Return the highest memory, and what is held at the end that is no file's, over the bytes of the samples."""
    write = write_pictures if kind == "image" else write_sounds
    source = folder / "files"
    if not source.exists():
        write(source, each=80)
    told = {
        "path": str(source),
        "batch_size": 2,
        "placement": placement,
        "output_root": str(folder / "out"),
        **how,
    }
    words = [sys.executable, "-c", PROGRAM, json.dumps([kind, told, strengths])]
    returned_at_once = {"MALLOC_MMAP_THRESHOLD_": "1000000", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **returned_at_once}
    )
    assert ran.returncode == 0, ran.stderr
    return tuple(map(float, ran.stdout.split()))


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what memory a process has")
@pytest.mark.parametrize("case", CASES)
def test_streamed_files_are_held_by_no_memory_of_the_process(case, tmp_path):
    highest, held = measured(*CASES[case], tmp_path, "stream")
    assert held < 0.3
    assert highest < 1.9


TABLE = """
import gc, json, sys
from pathlib import Path
import torch
from lightune.data import CSV
from lightune.validation import Holdout

def read(file, name):
    lines = Path(file).read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

path, folder, placement = sys.argv[1:]
torch.set_num_threads(1)
small = CSV(num_workers=0, output_root=folder, placement=placement)  # what reads and fits is imported now
small.divide(Holdout().splits(small.rows, seed=0)[0], seed=0)
small.described(), small.questions()
before = read("/proc/self/status", "VmRSS"), read("/proc/self/smaps_rollup", "Anonymous")
data = CSV(path, "y", num_workers=0, output_root=folder, placement=placement)
data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
data.described(), data.fingerprint(), data.digests(), data.questions()
for loader in (data.train_dataloader(), data.val_dataloader()):
    for _ in loader:
        pass
gc.collect()
after = read("/proc/self/status", "VmHWM"), read("/proc/self/smaps_rollup", "Anonymous")
print(*((now - then) / data.samples.inputs.nbytes for then, now in zip(before, after)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what memory a process has")
def test_a_streamed_table_is_held_by_no_memory_of_the_process(tmp_path):
    columns, rows = 60, 40_000
    names = [f"x{column}" for column in range(columns)]
    with (tmp_path / "t.csv").open("w") as file:
        print(*names, "y", sep=",", file=file)
        for row in range(rows):
            cells = (f"{(row * (column + 7919)) % 99991 / 7:.5f}" for column in range(columns))
            print(*cells, "ab"[row % 2], sep=",", file=file)
    measured = {}
    for placement in ("stream", "host"):
        words = [sys.executable, "-c", TABLE, str(tmp_path / "t.csv"), str(tmp_path), placement]
        returned_at_once = {"MALLOC_MMAP_THRESHOLD_": "1000000", "OMP_NUM_THREADS": "1"}
        ran = subprocess.run(
            words, capture_output=True, text=True, check=False, env={**os.environ, **returned_at_once}
        )
        assert ran.returncode == 0, ran.stderr
        measured[placement] = tuple(map(float, ran.stdout.split()))
    (highest, held), (most, _) = measured["stream"], measured["host"]
    assert held < 2  # some blocks of cells, whatever the number of columns
    assert highest < 4  # of which one is the pages of the file
    assert most > 2 * highest
