"""What a run predicted, sample by sample: for its test part in a table, for its validation part in an archive."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.data import InMemoryData
from lightune.paths import PREDICTIONS_FILE, VALIDATION_FILE
from lightune.reporting.validation_file import fit_folders, read_arrays
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import cell

__all__ = [
    "Names",
    "Predictions",
    "names_of",
    "read_predictions",
    "read_validation",
    "validations_below",
    "write_predictions",
    "write_validation",
]

_EXACT_VALUES = 4_000_000  # probabilities, beyond which half precision does


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

    @property
    def of_classes(self) -> bool:
        """Whether classes are predicted, not values."""
        return self.targets.ndim == 1


@dataclass(frozen=True)
class Names:
    """What samples and classes are called.

    Args:
        classes: in the order of their numbers; empty where they have numbers only.
        rows: number in the data set → number of the row in its file; empty where they are the same.
        files: number in the data set → the file it came from; empty where there is one or none.
    """

    classes: Sequence[str] = ()
    rows: Sequence[int] | NDArray[np.int64] = ()
    files: Sequence[str] = ()

    def row(self, number: int) -> int:
        """Return the number of a sample's row in its file; of one without, that in the data set."""
        return int(self.rows[number]) if len(self.rows) else number

    def of_class(self, number: int) -> str:
        """Return what a class is called."""
        return self.classes[number] if number < len(self.classes) else str(number)

    @property
    def header(self) -> list[str]:
        """The columns that name a sample."""
        return ["row", "file"] if self.files else ["row"]

    def cells(self, number: int) -> list[str]:
        """Return the cells that name a sample."""
        return [str(self.row(number)), *([cell(self.files[number])] if self.files else [])]


def names_of(data: object) -> Names:
    """Return the names that data have for their samples and classes.

    Data that make batches of their own may have those of classes as `class_names`, and none of samples.
    """
    if not isinstance(data, InMemoryData):
        return Names(tuple(map(str, getattr(data, "class_names", None) or ())))
    samples = data.samples
    rows = () if samples.rows is None else samples.rows
    return Names(tuple(map(str, samples.schema.get("classes", ()))), rows, samples.files)


def write_predictions(folder: Path, fits: Sequence[Predictions], names: Names | None = None) -> None:
    """Write `predictions.csv`: one line a sample and fit, with `fit`, `row`, the target and the prediction.

    Classes have the columns `target`, `predicted` (the likeliest class) and a `p_` column each, by their names;
    values have `target_0`, …, `predicted_0`, …. Samples that come from several files have a column `file`. Numbers
    are written so that they read back to the bit.
    """
    names = names or Names()
    buffer = io.StringIO(newline="")
    lines = csv.writer(buffer)
    of_classes = fits[0].of_classes
    width = fits[0].predicted.shape[1]
    if of_classes:
        called = [names.of_class(number) for number in range(width)]
        columns = ["target", "predicted", *(cell(f"p_{name}") for name in called)]
    else:
        columns = [f"{name}_{number}" for name in ("target", "predicted") for number in range(width)]
    lines.writerow(["fit", *names.header, *columns])
    for fit in fits:
        likeliest = fit.predicted.argmax(dim=1).tolist()
        together = zip(fit.rows.tolist(), fit.targets.tolist(), likeliest, fit.predicted.tolist(), strict=True)
        for row, target, choice, values in together:
            truth = (
                [cell(called[target]), cell(called[choice])] if of_classes else [_short(value) for value in target]
            )
            lines.writerow([fit.fit, *names.cells(row), *truth, *map(_short, values)])
    write_whole(folder / PREDICTIONS_FILE, buffer.getvalue().encode())


def read_predictions(folder: Path) -> list[Predictions]:
    """Read what `write_predictions` wrote; rows are those that it names.

    Raises:
        OSError: if there is no such file.
    """
    with (folder / PREDICTIONS_FILE).open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    of_classes = "target" in header
    truth = header.index("target" if of_classes else "target_0")
    first = truth + 2 if of_classes else truth + (len(header) - truth) // 2
    number = {cell(name.removeprefix("p_")): place for place, name in enumerate(header[first:])}
    fits: dict[int, list[list[str]]] = {}
    for line in lines:
        fits.setdefault(int(line[0]), []).append(line)
    return [
        Predictions(
            fit,
            torch.tensor([int(line[1]) for line in part]),
            torch.tensor([[float(value) for value in line[first:]] for line in part]),
            torch.tensor([number[line[truth]] for line in part])
            if of_classes
            else torch.tensor([[float(value) for value in line[truth:first]] for line in part]),
        )
        for fit, part in fits.items()
    ]


def write_validation(folder: Path, predictions: Predictions, names: Names) -> None:
    """Write `predictions_val.npz`, NumPy's archive of arrays.

    It has `rows` (N,), numbers as in `predictions.csv`; `predicted` (N, K), class probabilities (float16 beyond
    four million of them) or values in the units of the target; `targets` (N,) or (N, K); and `classes` (C,), their
    names.
    """
    predicted = predictions.predicted.numpy()
    if predictions.of_classes and predicted.size > _EXACT_VALUES:
        predicted = predicted.astype(np.float16)
    called = [names.of_class(number) for number in range(predicted.shape[1])] if predictions.of_classes else []
    content = io.BytesIO()
    np.savez(
        content,
        rows=np.array([names.row(row) for row in predictions.rows.tolist()], dtype=np.int64),
        predicted=predicted,
        targets=predictions.targets.numpy(),
        classes=np.array(called, dtype=np.str_),
    )
    write_whole(folder / VALIDATION_FILE, content.getvalue())


def read_validation(folder: Path, *, fit: int = 0) -> Predictions:
    """Read what `write_validation` wrote; nothing in the file is run.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is damaged, or no such archive.
    """
    arrays = read_arrays(folder)
    rows, predicted, targets = map(torch.from_numpy, arrays)
    return Predictions(fit, rows, predicted.float(), targets)


def validations_below(run_dir: Path) -> Iterator[Predictions]:
    """Yield what each fit of a run predicted for its validation part.

    Raises:
        OSError: if a fit has no such file.
        ValueError: if one is damaged.
    """
    for number, folder in fit_folders(run_dir):
        yield read_validation(folder, fit=number)


def _short(value: float) -> str:
    """Return the fewest digits that read back to the same float32."""
    return f"{value:.9g}"
