"""What a run predicted for its test part, sample by sample, in a file that any table tool reads."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightune.runtime.atomic_files import write_whole

__all__ = ["PREDICTIONS_FILE", "Predictions", "read_predictions", "write_predictions"]

PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True)
class Predictions:
    """What one fit predicted.

    Args:
        fit: number of the fit.
        rows: (N,) int64, numbers of the samples in the data set.
        predicted: (N, K) float32: class probabilities, or values in the units of the target.
        targets: (N,) int64 classes, or (N, K) float32 values.
    """

    fit: int
    rows: Tensor
    predicted: Tensor
    targets: Tensor


def write_predictions(folder: Path, fits: Sequence[Predictions]) -> None:
    """Write `predictions.csv`: one line a sample and fit, with `fit`, `row`, the target and the prediction.

    Classes have the columns `target`, `predicted` (the likeliest class) and `p_0`, `p_1`, …; values have
    `target_0`, …, `predicted_0`, …. Numbers are written so that they read back to the bit.
    """
    buffer = io.StringIO(newline="")
    lines = csv.writer(buffer)
    of_classes = fits[0].targets.ndim == 1
    width = fits[0].predicted.shape[1]
    if of_classes:
        lines.writerow(["fit", "row", "target", "predicted", *(f"p_{number}" for number in range(width))])
    else:
        names = [f"{name}_{number}" for name in ("target", "predicted") for number in range(width)]
        lines.writerow(["fit", "row", *names])
    for fit in fits:
        likeliest = fit.predicted.argmax(dim=1).tolist()
        columns = zip(fit.rows.tolist(), fit.targets.tolist(), likeliest, fit.predicted.tolist(), strict=True)
        for row, target, choice, values in columns:
            truth = [target, choice] if of_classes else [_short(value) for value in target]
            lines.writerow([fit.fit, row, *truth, *map(_short, values)])
    write_whole(folder / PREDICTIONS_FILE, buffer.getvalue().encode())


def read_predictions(folder: Path) -> list[Predictions]:
    """Read what `write_predictions` wrote.

    Raises:
        OSError: if there is no such file.
    """
    with (folder / PREDICTIONS_FILE).open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    of_classes = header[2] == "target"
    first = 4 if of_classes else 2 + (len(header) - 2) // 2
    fits: dict[int, list[list[str]]] = {}
    for line in lines:
        fits.setdefault(int(line[0]), []).append(line)
    return [
        Predictions(
            fit,
            torch.tensor([int(line[1]) for line in part]),
            torch.tensor([[float(value) for value in line[first:]] for line in part]),
            torch.tensor([int(line[2]) for line in part])
            if of_classes
            else torch.tensor([[float(value) for value in line[2:first]] for line in part]),
        )
        for fit, part in fits.items()
    ]


def _short(value: float) -> str:
    """Return the fewest digits that read back to the same float32."""
    return f"{value:.9g}"
