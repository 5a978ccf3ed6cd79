"""How often chance alone would say the same of a study without any effect."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["all_missed", "at_least", "rank_correlation"]

_PERMUTATIONS = 999


def all_missed(total: int, marked: int, drawn: int) -> float:
    """Return the probability that none of so many is marked, drawn of a total without putting back.

    Args:
        total: how many there are.
        marked: of them, in [0, total].
        drawn: of them, in [0, total].

    Source: the hypergeometric distribution (Fisher's exact test on one side).
    """
    return math.comb(total - marked, drawn) / math.comb(total, drawn)


def at_least(hits: int, chances: Sequence[float]) -> float:
    """Return the probability of so many hits or more in independent trials.

    Args:
        hits: >= 0.
        chances: of each trial, in [0, 1].

    Source: the Poisson binomial distribution, by recursion.
    """
    counts = np.array([1.0])
    for chance in chances:
        counts = np.append(counts * (1 - chance), 0.0) + np.append(0.0, counts * chance)
    return float(counts[hits:].sum())


def rank_correlation(places: Sequence[float], values: Sequence[float], *, seed: int = 0) -> float:
    """Return the probability of so strong a trend of values along places, if there is none.

    Args:
        places: where each was measured.
        values: of each.
        seed: of the permutations.

    Source: Spearman's rank correlation with a permutation test, the measured order counted as one of them.
    """
    ranks = [_ranks(np.asarray(some, dtype=np.float64)) for some in (places, values)]
    found = abs(float(ranks[0] @ ranks[1]))
    if found == 0:
        return 1.0
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(np.tile(ranks[1], (_PERMUTATIONS, 1)), axis=1)
    return (1 + int((np.abs(shuffled @ ranks[0]) >= found - 1e-9).sum())) / (1 + _PERMUTATIONS)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks around 0; equal values share theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places] - (len(values) + 1) / 2
    return found
