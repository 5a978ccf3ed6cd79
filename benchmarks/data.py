"""Pictures from files, over torchvision's ImageFolder and torch's DataLoader with as many workers.

    python benchmarks/data.py --images FOLDER
        goals: first read <= 1.0, second start of the same data <= 0.1, an epoch of batches <= 0.05

FOLDER has a folder a class. Each figure is ours over theirs, the median of interleaved pairs: the first read is
listing, decoding and resizing all files; the second start the same, kept from the first; an epoch of batches is
one from the second on, without a network, of files decoded again by ImageFolder and of tensors by ours.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch
from hardware import hardware
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder as TheirFolder
from torchvision.transforms import v2

from lightune.data import ImageFolder
from lightune.validation import Holdout

WORKERS = 2
GOALS = {"first read": 1.0, "second start": 0.1, "an epoch of batches": 0.05}


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


def measured(images, size, root):
    """Return the seconds of each case, ours and theirs."""
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(hardware())
    with tempfile.TemporaryDirectory() as folder:
        rounds = [measured(given.images, given.size, Path(folder) / "out") for _ in range(given.repeats)]
    for name, goal in GOALS.items():
        ratio = statistics.median(each[name][0] / each[name][1] for each in rounds)
        own, other = (statistics.median(each[name][side] for each in rounds) for side in (0, 1))
        print(f"{name}: {own:.3f} s over {other:.3f} s: {ratio:.3f} (goal {goal})")


if __name__ == "__main__":
    main()
