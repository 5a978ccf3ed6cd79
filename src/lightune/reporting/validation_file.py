"""`predictions_val.npz` read as NumPy's arrays; nothing in the file is run.

This module must not import torch or Lightning.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightune.paths import VALIDATION_FILE

__all__ = ["ValidationArrays", "fit_folders", "read_arrays"]


class ValidationArrays(NamedTuple):
    """What a fit predicted for its validation part.

    Args:
        rows: (N,) int64, numbers of the samples.
        predicted: (N, K) float: class probabilities, or values in the units of the target.
        targets: (N,) int64 classes, or (N, K) float values.
    """

    rows: NDArray[np.int64]
    predicted: NDArray[Any]
    targets: NDArray[Any]

    @property
    def of_classes(self) -> bool:
        """Whether classes are predicted, not values."""
        return self.targets.ndim == 1


def read_arrays(folder: Path) -> ValidationArrays:
    """Read what a fit predicted for its validation part.

    Args:
        folder: of the fit.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is damaged.
    """
    file = folder / VALIDATION_FILE
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            arrays = ValidationArrays(content["rows"], content["predicted"], content["targets"])
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} cannot be read ({error})") from error
    rows, predicted, targets = arrays
    is_sound = rows.ndim == 1 and predicted.ndim == 2 and len(rows) == len(predicted) == len(targets)
    if not is_sound or not (targets.ndim == 1 or targets.shape == predicted.shape):
        raise ValueError(f"{file} has arrays that do not belong together")
    return arrays


def fit_folders(run_dir: Path) -> Iterator[tuple[int, Path]]:
    """Yield the number and the folder of each fit of a run; of a run of one fit, 0 and its own."""
    fits = sorted((int(path.name), path) for path in (run_dir / "fits").glob("*") if path.name.isdecimal())
    yield from fits or [(0, run_dir)]
