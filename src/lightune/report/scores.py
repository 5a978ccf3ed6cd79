"""What a run's validation predictions say of each sample, as a score whose mean is the figure it is judged by.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightune.reporting.validation_file import ValidationArrays, fit_folders, read_arrays

__all__ = ["KINDS", "SampleScores", "figure_of", "kinds_of", "sample_scores"]

Floats = NDArray[np.float64]
_TINY = 1e-12


class SampleScores(NamedTuple):
    """Scores of a run's validation samples.

    Args:
        rows: (n,) their numbers; of several fits those of one after the other.
        scores: (n,) of each.
    """

    rows: NDArray[np.int64]
    scores: Floats


def _right(arrays: ValidationArrays) -> Floats:
    found: Floats = (arrays.predicted.argmax(axis=1) == arrays.targets).astype(np.float64)
    return found


def _log_loss(arrays: ValidationArrays) -> Floats:
    likely = arrays.predicted[np.arange(len(arrays.targets)), arrays.targets].astype(np.float64)
    found: Floats = -np.log(np.maximum(likely, _TINY))
    return found


def _apart(arrays: ValidationArrays) -> Floats:
    apart = arrays.predicted.astype(np.float64) - arrays.targets
    found: Floats = apart.reshape(len(arrays.targets), -1)
    return found


def _squared(arrays: ValidationArrays) -> Floats:
    found: Floats = (_apart(arrays) ** 2).mean(axis=1)
    return found


def _absolute(arrays: ValidationArrays) -> Floats:
    found: Floats = np.abs(_apart(arrays)).mean(axis=1)
    return found


class Kind(NamedTuple):
    """A score of a sample.

    Args:
        of_classes: whether it is for classes, not for values.
        score: of each sample.
        figure: what is made of the mean.
    """

    of_classes: bool
    score: Callable[[ValidationArrays], Floats]
    figure: Callable[[Any], Any]


def _same(mean: Any) -> Any:
    return mean


KINDS: dict[str, Kind] = {
    "accuracy": Kind(True, _right, _same),
    "cross-entropy": Kind(True, _log_loss, _same),
    "mse": Kind(False, _squared, _same),
    "rmse": Kind(False, _squared, np.sqrt),
    "mae": Kind(False, _absolute, _same),
}
_NAMED = {
    "accuracy": ("accuracy",),
    "loss": ("cross-entropy", "mse", "mae"),
    "mse": ("mse",),
    "rmse": ("rmse",),
    "mae": ("mae",),
}


def kinds_of(metric: str | None) -> tuple[str, ...]:
    """Return the kinds of score that a metric may be the mean of; none of one such as F1, which is no mean."""
    return _NAMED.get((metric or "").rpartition("/")[2], ())


def figure_of(kind: str) -> Callable[[Any], Any]:
    """Return what is made of the mean of a kind of score."""
    return KINDS[kind].figure


def sample_scores(run_dir: Path, kind: str) -> SampleScores | None:
    """Return the score of each validation sample of a run; None if it has left none, or of another kind.

    Args:
        run_dir: the run's folder.
        kind: one of `KINDS`.
    """
    rows, scores = [], []
    try:
        for _, folder in fit_folders(run_dir):
            arrays = read_arrays(folder)
            if arrays.of_classes != KINDS[kind].of_classes or not len(arrays.rows):
                return None
            rows.append(arrays.rows)
            scores.append(KINDS[kind].score(arrays))
    except (OSError, ValueError, IndexError):  # it is somebody else's, or left out on request
        return None
    return SampleScores(np.concatenate(rows), np.concatenate(scores))
