"""Augmentation of whole batches, over torchvision's transforms image by image.

    python benchmarks/augmentation.py
        goals: >= 30 times the images/s at 28x28x1, >= 10 times at 32x32x3, >= 1.5 times at 96x96x3

Both mirror, pad and cut out anew, turn by bilinear interpolation, and change brightness, contrast and, of three
channels, saturation: `Augmentation` on batches of 256, `torchvision.transforms.v2` image by image, as a `Dataset`
does it; both from bytes. One CPU thread, interleaved, medians of ratios.
"""

import argparse
import statistics
import time

import torch
from hardware import hardware
from torchvision.transforms import InterpolationMode, v2

from lightune.augmentation import Augmentation, ValueRange

CASES = {"28x28x1": (1, 28, 30), "32x32x3": (3, 32, 10), "96x96x3": (3, 96, 1.5)}  # and the goal
BATCH, BATCHES = 256, 8
STRENGTHS = {"flip": 0.5, "crop": 0.125, "rotate": 15, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2}


def ours(images):
    augmentation, values = Augmentation(**STRENGTHS), ValueRange.of(images)
    rows = torch.arange(BATCH)

    def work(epoch):
        for batch in range(BATCHES):
            augmentation(images, rows + batch * BATCH, seed=0, epoch=epoch, values=values, kind="image")

    return work


def theirs(images):
    size = images.shape[-1]
    colored = {name: STRENGTHS[name] for name in ("brightness", "contrast", "saturation")}
    transform = v2.Compose(
        [
            v2.RandomHorizontalFlip(STRENGTHS["flip"]),
            v2.RandomCrop(size, padding=round(size * STRENGTHS["crop"])),
            v2.RandomRotation(STRENGTHS["rotate"], interpolation=InterpolationMode.BILINEAR),
            v2.ColorJitter(**colored),
            v2.ToDtype(torch.float32),
        ]
    )
    return lambda _: torch.stack([transform(image) for image in images])


def rate(work, epoch, images):
    began = time.perf_counter()
    work(epoch)
    return images / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(hardware())
    for name in given.only:
        channels, size, goal = CASES[name]
        images = torch.randint(0, 256, (BATCH, channels, size, size), dtype=torch.uint8)
        fast, slow = ours(images), theirs(images)
        fast(0)
        slow(0)
        pairs = [(rate(fast, each, BATCH * BATCHES), rate(slow, each, BATCH)) for each in range(given.repeats)]
        ratio = statistics.median(one / two for one, two in pairs)
        own, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name}: {own:,.0f} images/s over {other:,.0f}: {ratio:.1f} times (goal {goal})")


if __name__ == "__main__":
    main()
