"""Columns that predict the target nearly alone, and groups on both sides of a split: told, never refused.

A column that is known only after what it predicts, such as a date of closure, makes a network that is of no use
later. Such a column gives itself away: alone it predicts nearly all, while no other comes near it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from lightune.validation import Indices

__all__ = ["Telling", "crossing_groups", "looked_at", "telling_columns"]

Floats = NDArray[np.float64]

_TELLING, _AHEAD = 0.95, 0.1
_ROWS = 10_000  # that are looked at, at most
_FEWEST = 30  # below which chance does as well
_BINS = 32


class Telling(NamedTuple):
    """A column that predicts the target nearly alone.

    Args:
        name: of the column.
        score: how well, from 0.5 (0 for values) to 1.
        next: how well the best column does that is not one of these.
    """

    name: str
    score: float
    next: float


def telling_columns(
    raw: Floats, targets: NDArray[np.generic], names: Sequence[str], *, numbers: int, num_classes: int
) -> list[Telling]:
    """Return the columns that predict the target nearly alone.

    Their score is at least 0.95, and 0.1 above that of the best column below 0.95. Of classes it is the area under
    the ROC curve, the mean over classes against the rest; of values the absolute rank correlation (Spearman).
    Numbers are judged by their order and, for relations that rise and fall, in 32 bins of equal size; bins and
    categories by the targets of one half of the rows on the other.

    Args:
        raw: (N, F + C) training rows: numbers, NaN where one is missing, then codes of categories.
        targets: (N,) classes from 0, or values.
        names: of the columns.
        numbers: how many columns are numbers.
        num_classes: 0 for values.
    """
    if len(raw) < _FEWEST or len(names) < 2:
        return []
    chosen = looked_at(len(raw))
    raw, targets = raw[chosen], targets[chosen]
    wanted = _indicators(targets, num_classes)
    if not wanted.shape[1]:
        return []
    score = _area if num_classes else _correlation
    scores = {}
    for place, name in enumerate(names):
        column = raw[:, place]
        is_number = place < numbers
        binned = _binned(column) if is_number else column.astype(np.int64) + 2
        found = score(_cross_fitted(binned, wanted), wanted)
        if is_number:
            ordered = np.nan_to_num(column, nan=-np.inf)
            found = max(found, score(np.repeat(ordered[:, None], wanted.shape[1], axis=1), wanted, both_ways=True))
        scores[name] = found
    below = [each for each in scores.values() if each < _TELLING]
    if not below or max(below) + _AHEAD > max(scores.values()):
        return []
    best = max(below)
    return [Telling(name, each, best) for name, each in scores.items() if each >= max(_TELLING, best + _AHEAD)]


def looked_at(rows: int) -> Indices:
    """Return the places of the rows that are looked at, of so many, evenly spaced; all of few."""
    return np.linspace(0, rows - 1, min(rows, _ROWS)).round().astype(np.int64)


def crossing_groups(groups: Mapping[str, Indices], parts: Mapping[str, Indices]) -> Iterator[tuple[str, int]]:
    """Yield the name of each column of groups and how many of its groups stand in more than one part.

    Args:
        groups: column → (N,) number of the group of each sample.
        parts: part → rows of it.
    """
    for name, numbers in groups.items():
        within = [np.unique(numbers[rows]) for rows in parts.values()]
        crossing = int((np.unique(np.concatenate(within), return_counts=True)[1] > 1).sum())
        if crossing:
            yield name, crossing


def _indicators(targets: NDArray[np.generic], num_classes: int) -> Floats:
    """Return whether a row is of a class (N, C), of those classes that can be judged; or values (N, 1)."""
    if not num_classes:
        return targets.astype(np.float64).reshape(-1, 1)
    wanted = (targets.reshape(-1, 1) == np.arange(num_classes)).astype(np.float64)
    count = wanted.sum(axis=0)
    wanted = wanted[:, (count > 1) & (count < len(wanted) - 1)]
    judged: Floats = wanted[:, :1] if num_classes == 2 else wanted
    return judged


def _binned(column: Floats) -> Indices:
    """Return the bin (N,) of each number; what is missing has one of its own."""
    there = ~np.isnan(column)
    if not there.any():
        return np.zeros(len(column), dtype=np.int64)
    edges = np.unique(np.quantile(column[there], np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.where(there, np.searchsorted(edges, column, side="right") + 1, 0)


def _cross_fitted(cells: Indices, wanted: Floats) -> Floats:
    """Return for each row the mean of what is wanted in its bin, among the other half of the rows."""
    predicted = np.empty_like(wanted)
    bins = int(cells.max()) + 1
    half = np.arange(len(cells)) % 2 == 0
    for own in (half, ~half):
        count = np.bincount(cells[~own], minlength=bins)
        mean = wanted[~own].mean(axis=0)
        for place in range(wanted.shape[1]):
            total = np.bincount(cells[~own], weights=wanted[~own, place], minlength=bins)
            by_bin = np.where(count > 0, total / np.maximum(count, 1), mean[place])
            predicted[own, place] = by_bin[cells[own]]
    return predicted


def _area(predicted: Floats, wanted: Floats, *, both_ways: bool = False) -> float:
    """Return the mean area under the ROC curve over classes, by ranks (Hanley & McNeil 1982)."""
    positive = wanted.sum(axis=0)
    ranks = rankdata(predicted, axis=0)
    area = ((ranks * wanted).sum(axis=0) - positive * (positive + 1) / 2) / (positive * (len(wanted) - positive))
    return float((np.maximum(area, 1 - area) if both_ways else area).mean())


def _correlation(predicted: Floats, wanted: Floats, *, both_ways: bool = False) -> float:
    one, other = (rankdata(values[:, 0]) for values in (predicted, wanted))
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(abs(np.corrcoef(one, other)[0, 1]))
