"""`predictions.csv` of a run as NumPy's arrays: how right it was about each test sample.

This module must not import torch or Lightning.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightune.paths import PREDICTIONS_FILE

__all__ = ["HeldOut", "read_held_out"]

_PLACES = (".", "errors_test")  # a run's own test, and what `lightune evaluate RUN --errors` leaves


class HeldOut(NamedTuple):
    """What a run said of its test part; of several fits, the mean of their scores.

    Args:
        samples: (n,) what each sample is called: its row, and its file where there are several.
        targets: (n,) the true class or value, as it is written.
        of_classes: whether classes are predicted, not values.
        scores: (n,) share of the fits that are right, or mean absolute error.
    """

    samples: tuple[str, ...]
    targets: tuple[str, ...]
    of_classes: bool
    scores: NDArray[np.float64]


def read_held_out(folder: Path) -> HeldOut | None:
    """Read what a run said of its test part; None if it has left nothing that can be read.

    Args:
        folder: the run's.
    """
    for place in _PLACES:
        try:
            return _read(folder / place / PREDICTIONS_FILE)
        except (OSError, ValueError, IndexError, csv.Error):
            continue
    return None


def _read(file: Path) -> HeldOut:
    with file.open(encoding="utf-8", newline="") as stream:
        header, *lines = csv.reader(stream)
    of_classes = "target" in header
    first = header.index("target" if of_classes else "target_0")
    width = 1 if of_classes else (len(header) - first) // 2
    scores: dict[str, list[float]] = {}
    targets: dict[str, str] = {}
    for line in lines:
        sample, truth = " ".join(line[1:first]), line[first : first + width]
        said = line[first + width : first + 2 * width]
        if of_classes:
            score = float(truth == said)
        else:
            score = sum(abs(float(one) - float(other)) for one, other in zip(truth, said, strict=True)) / width
        scores.setdefault(sample, []).append(score)
        targets[sample] = " ".join(truth)
    if not scores:
        raise ValueError("it has no samples")
    samples = tuple(sorted(scores))
    means = np.array([sum(scores[sample]) / len(scores[sample]) for sample in samples])
    return HeldOut(samples, tuple(targets[sample] for sample in samples), of_classes, means)
