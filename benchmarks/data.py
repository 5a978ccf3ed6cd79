"""Files of one's own, to tensors, through training and to predictions, over what else does the same.

    python benchmarks/data.py --images FOLDER --only pictures cnn
        goals: first read <= 1.0, second start of the same data <= 0.1, an epoch of batches <= 0.05;
        seconds an epoch of a small CNN from the second on, over a bare loop on tensors, <= 1.10
    python benchmarks/data.py --only table predict memory
        goals: a table to tensors <= 6, with the extra `tables` <= 1.5; samples/s of predict over those of training
        >= 0.5; memory of a training on 50,000 pictures over their bytes <= 1.3

FOLDER has a folder a class. Each figure is ours over theirs, the median of interleaved pairs: the first read is
listing, decoding and resizing all files; the second start the same, kept from the first; an epoch of batches is
one from the second on, without a network, of files decoded again by ImageFolder and of tensors by ours.

The table has a million rows of six columns of numbers, three of categories and a target of two classes, 2 % of the
cells missing in eight of them. Theirs is pandas (to be installed for this) and scikit-learn: types from text,
duplicates, medians, marks, scaling, one-hot, tensors. predict is the command, less what it takes for one row.

The pictures whose memory is measured are JPEG files that this program writes. A small CNN is trained on them for
an epoch with `data.placement=stream`, in a process of its own, which looks every 20 ms at the memory of itself and
of its workers that is anonymous or shared (`/proc/PID/smaps_rollup`): pages of files are not counted.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import torch
from hardware import hardware
from omegaconf import OmegaConf
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder as TheirFolder
from torchvision.transforms import v2

from lightune import compose, train
from lightune.data import CSV, ImageFolder, quick_tables
from lightune.training.imports import import_training
from lightune.validation import Holdout

WORKERS = 2
GOALS = {
    "first read": 1.0,
    "second start": 0.1,
    "an epoch of batches": 0.05,
    "the CNN, a sample": 1.1,
    "table, core": 6.0,
    "table, polars": 1.5,
}
CNN = ["model.channels=[8,16]", "model.units=32", "data.duplicates=keep", "trainer=cpu", "test=false"]
EPOCHS = 4


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ours(images, size, root):
    return ImageFolder(path=str(images), image_size=size, num_workers=WORKERS, output_root=str(root))


def theirs(images, size):
    resize = v2.Resize((size, size), antialias=True)
    transform = v2.Compose([v2.PILToTensor(), resize, v2.ToDtype(torch.float32, scale=True)])
    return DataLoader(TheirFolder(str(images), transform), batch_size=64, shuffle=True, num_workers=WORKERS)


def pictures(given, folder):
    """Return the seconds of each case, ours and theirs."""
    images, size, root = given.images, given.size, folder / "out"
    shutil.rmtree(root, ignore_errors=True)
    loader = theirs(images, size)
    decoded = seconds(lambda: [None for _ in loader])
    first = ours(images, size, root)
    found = {"first read": (seconds(lambda: first.samples), decoded)}
    first.settled()
    second = ours(images, size, root)
    found["second start"] = (seconds(lambda: second.samples), decoded)
    second.divide(Holdout().splits(second.rows, seed=0)[0], seed=0)
    batches = second.train_dataloader()
    list(batches)
    share = second.sizes["train"] / len(second.rows.labels)
    found["an epoch of batches"] = (
        seconds(lambda: list(batches)),
        share * seconds(lambda: [None for _ in loader]),
    )
    return found


def cnn(given, folder):
    """Return the seconds an epoch takes from the second on, ours and those of the bare loop of `lean.py`."""
    from lean import as_without_lightning, bare

    source = [f"data.path={given.images.resolve()}", f"data.image_size={given.size}"]
    cfg = compose(["data=image_folder", *source, *CNN, f"trainer.max_epochs={EPOCHS}", f"output_root={folder}"])
    with as_without_lightning():
        plain, _ = bare(cfg, EPOCHS)
    return {"the CNN, a sample": (1 / train(cfg).samples_per_second, 1 / plain)}


def write_table(path, rows, seed=0):
    chance = np.random.default_rng(seed)
    values = chance.normal(size=(rows, 5))
    columns = {f"number_{place}": [f"{value:.4f}" for value in values[:, place] * 10**place] for place in range(5)}
    columns["whole"] = list(map(str, chance.integers(0, 1000, rows)))
    for name, count in (("city", 50), ("kind", 5), ("code", 20)):
        columns[name] = [f"{name}-{number}" for number in chance.integers(0, count, rows)]
    for name in list(columns)[1:]:
        for row in np.flatnonzero(chance.random(rows) < 0.02):
            columns[name][row] = ""
    is_more = values[:, 0] + values[:, 1] + chance.normal(scale=0.5, size=rows) > 0
    columns["target"] = np.where(is_more, "yes", "no").tolist()
    with path.open("w") as file:
        file.write(",".join(columns) + "\n")
        file.writelines(",".join(row) + "\n" for row in zip(*columns.values(), strict=True))
    return path


def our_tensors(path):
    data = CSV(path=str(path), target="target")
    inputs = data.samples.inputs
    return data.fit_preparation(inputs)(inputs), data.samples.targets


def their_tensors(path):
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pandas.read_csv(path)
    target = torch.from_numpy(pandas.factorize(frame.pop("target"), sort=True)[0])
    frame.duplicated()
    numbers = list(frame.select_dtypes("number"))
    prepared = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
            ("c", OneHotEncoder(sparse_output=False, dtype=np.float32), [n for n in frame if n not in numbers]),
        ]
    )
    return torch.from_numpy(prepared.fit_transform(frame)).float(), target


def table(given, folder):
    """Return the seconds to tensors of the core and with polars, and those of pandas and scikit-learn."""
    path = folder / "table.csv"
    if not path.exists():
        write_table(path, given.rows)
    plain = seconds(lambda: their_tensors(path))
    quick = seconds(lambda: our_tensors(path))
    worth_it, quick_tables._WORTH_IT = quick_tables._WORTH_IT, sys.maxsize
    core = seconds(lambda: our_tensors(path))
    quick_tables._WORTH_IT = worth_it
    return {"table, core": (core, plain), "table, polars": (quick, plain)}


def predict(given, folder):
    """Return the samples/s of predictions of the table, and of training on it."""
    from lightune.cli import predict as command

    path = folder / "table.csv"
    if not path.exists():
        write_table(path, given.rows)
    row = folder / "row.csv"
    row.write_text("".join(path.open().readlines(1)) + "1," * 6 + "city-1,kind-1,code-1,yes\n")
    run = folder / "run"
    if not run.exists():
        (run / ".hydra").mkdir(parents=True)
        words = [f"data.path={path}", "data.target=target", "trainer=cpu", "trainer.max_epochs=2", "test=false"]
        cfg = compose(["data=csv", *words])
        OmegaConf.save(cfg, run / ".hydra" / "config.yaml")
        OmegaConf.save(words, run / ".hydra" / "overrides.yaml")
        given.training = train(cfg, run_dir=run).samples_per_second
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)

    def predicted(file):
        options = [str(run), "--input", str(file), "--output", str(folder / "predictions.csv"), "--device", "cpu"]
        command.predict(parser.parse_args(options), run)

    predicted(row)
    start = seconds(lambda: predicted(row))
    return given.rows / (seconds(lambda: predicted(path)) - start), given.training


def write_pictures(folder, count, size):
    from PIL import Image

    chance = np.random.default_rng(0)
    for number in range(count):
        home = folder / f"class_{number % 10}"
        home.mkdir(parents=True, exist_ok=True)
        coarse = chance.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size)).save(home / f"{number}.jpg", quality=75)


def held_bytes():
    """Return the memory of this process, and of it and its workers, that no file on the disk gives back."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    held = []
    for process in ("self", *children):
        with suppress(OSError):  # a worker may have ended
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            held.append(
                sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
            )
    return np.array([held[0], sum(held)]) * 1024


def measure_memory(folder, size):
    """Print the largest memory of a training above that of the imports, over the bytes of the pictures."""
    import_training()
    words = [f"data.path={folder}", f"data.image_size={size}", "data.placement=stream", *CNN[:3]]
    cfg = compose(
        ["data=image_folder", *words, "trainer=cpu", "trainer.max_epochs=1", f"output_root={folder}-out"]
    )
    torch.zeros(1).add(1)
    before, largest, done = held_bytes(), np.zeros(2), threading.Event()

    def watch():
        nonlocal largest
        while not done.wait(0.02):
            largest = np.maximum(largest, held_bytes())

    watching = threading.Thread(target=watch)
    watching.start()
    train(cfg)
    done.set()
    watching.join()
    count = sum(file.suffix == ".jpg" for file in folder.rglob("*"))
    print(*(largest - before) / (count * 3 * size**2))


def memory(given, folder):
    write_pictures(folder / "pictures", given.count, given.size)
    words = ["--measure-memory", str(folder / "pictures"), "--size", str(given.size)]
    printed = subprocess.check_output([sys.executable, __file__, *words], text=True).splitlines()[-1]
    return tuple(map(float, printed.split()))


def report(rounds):
    for name in rounds[0]:
        ratio = statistics.median(each[name][0] / each[name][1] for each in rounds)
        own, other = (statistics.median(each[name][side] for each in rounds) for side in (0, 1))
        print(f"{name}: {own:.3g} s over {other:.3g} s: {ratio:.3f} (goal {GOALS[name]})", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=["pictures", "cnn", "table", "predict", "memory"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure-memory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.measure_memory is not None:
        measure_memory(given.measure_memory, given.size)
        return
    if given.images is None and {"pictures", "cnn"} & set(given.only):
        parser.error("pictures and cnn need --images FOLDER")
    print(hardware())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in (pictures, cnn, table):
            if case.__name__ in given.only:
                report([case(given, folder) for _ in range(given.repeats)])
        if "predict" in given.only:
            figures = [predict(given, folder) for _ in range(given.repeats)]
            own, other = (statistics.median(column) for column in zip(*figures, strict=True))
            print(f"predict: {own:,.0f} samples/s over training's {other:,.0f}: {own / other:.2f} (goal 0.5)")
        if "memory" in given.only:
            own, all_together = memory(given, folder)
            text = f"{own:.2f} (goal 1.3), {all_together:.2f} with {WORKERS} workers of each part"
            print(f"memory of {given.count:,} pictures over their bytes: {text}")


if __name__ == "__main__":
    main()
