"""Which two parameters cannot be judged one by one."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interaction", "levels_of", "most_interacting"]

_LEVELS = 3
_LEAST = 2  # trials a coefficient


class Interaction(NamedTuple):
    """Two parameters whose joint effect is least the sum of their single ones.

    Args:
        first: name of one.
        second: name of the other.
        p: the probability of so great an F, for any pair, if no two interact.
    """

    first: str
    second: str
    p: float


def most_interacting(levels: Mapping[str, Sequence[int]], values: Sequence[float]) -> Interaction | None:
    """Return the pair of parameters whose joint effect is least the sum of their single ones.

    Args:
        levels: name → the level, from 0, that each trial has.
        values: of the trials; their ranks are compared, so that a few failures do not decide.

    Returns:
        The pair with the least probability of the F of its interaction, beside the single effects of all, times
        the number of pairs (Bonferroni); None if there are too few trials for any pair.

    Source: Fisher 1925; on ranks, Conover & Iman 1981 (The American Statistician 35).
    """
    from scipy.stats import f as fisher

    if not len(values):
        return None
    ranks = np.argsort(np.argsort(np.asarray(values, dtype=np.float64))).astype(np.float64)
    codes = {name: np.asarray(level) for name, level in levels.items()}
    single = np.hstack([np.ones((len(ranks), 1)), *(_dummies(code)[:, 1:] for code in codes.values())])
    freedom, apart = int(np.linalg.matrix_rank(single)), _residual(single, ranks)
    found: list[tuple[float, float, str, str]] = []
    for first, second in itertools.combinations(codes, 2):
        cells = codes[first] * (int(codes[second].max()) + 1) + codes[second]
        joint = np.hstack([single, _dummies(cells)])
        rank = int(np.linalg.matrix_rank(joint))
        extra, left = rank - freedom, len(ranks) - rank
        if extra < 1 or len(ranks) < _LEAST * rank:
            continue
        within = _residual(joint, ranks)
        ratio = max(0.0, apart - within) / extra / max(within / left, 1e-12)
        found.append((float(fisher.sf(ratio, extra, left)), -ratio, first, second))
    if not found:
        return None
    p, _, first, second = min(found)
    return Interaction(first, second, min(1.0, p * len(found)))


def levels_of(places: Sequence[float]) -> list[int]:
    """Return for each number the third of all numbers in which it lies."""
    ranks = np.argsort(np.argsort(np.asarray(places), kind="stable"), kind="stable")
    return [int(rank * _LEVELS // max(len(places), 1)) for rank in ranks]


def _dummies(levels: NDArray[np.int64]) -> NDArray[np.float64]:
    columns: NDArray[np.float64] = (levels[:, None] == np.unique(levels)).astype(np.float64)
    return columns


def _residual(columns: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    fitted = columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    return float(((values - fitted) ** 2).sum())
