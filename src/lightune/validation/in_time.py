"""Samples in the order of time: what is later judges what was learnt from earlier ones."""

import numpy as np
from sklearn.model_selection import TimeSeriesSplit

from lightune.validation.splits import Indices, Times
from lightune.wording import counted

__all__ = ["cut_latest", "forward_chained"]


def cut_latest(rows: Indices, times: Times, share: float, *, key: str) -> tuple[Indices, Indices]:
    """Cut the latest rows off; those of one time stay together, on the later side.

    Args:
        rows: row numbers (n,) in the order of time.
        times: (n,) of them, ascending.
        share: of the rows, in (0, 1).
        key: the argument that a refusal names.

    Raises:
        ValueError: naming `key`, if nothing would be left on one side.
    """
    place = _beginning(times, round(len(rows) * (1 - share)))
    if not 0 < place < len(rows):
        raise ValueError(
            f"{key} leaves a part without samples: {len(rows)} of them, {counted(len(np.unique(times)), 'time')}"
        )
    return rows[:place], rows[place:]


def forward_chained(rows: Indices, times: Times, folds: int) -> list[tuple[Indices, Indices]]:
    """Return pairs of what was before and what comes next: scikit-learn's TimeSeriesSplit, no time divided.

    Args:
        rows: row numbers (n,) in the order of time.
        times: (n,) of them, ascending.
        folds: > 1.

    Raises:
        ValueError: if there are too few samples, or times, for the folds.
    """
    if folds >= len(rows):
        raise ValueError(f"k must be less than the number of samples ({len(rows)}), got {folds}")
    pairs = []
    for _, judged in TimeSeriesSplit(n_splits=folds).split(rows):
        first, last = (_beginning(times, place) for place in (judged[0], judged[-1] + 1))
        if not 0 < first < last:
            raise ValueError(
                f"k leaves a part without samples: {counted(len(np.unique(times)), 'time')}, got {folds}"
            )
        pairs.append((rows[:first], rows[first:last]))
    return pairs


def _beginning(times: Times, place: int) -> int:
    """Return where the time of a place begins; the end for a place behind all."""
    return int(np.searchsorted(times, times[place])) if place < len(times) else len(times)
