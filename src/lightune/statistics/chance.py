"""How often chance alone would say the same of a study without any effect.

This module must not import NumPy: what a command shows of a small study comes without it.
"""

import math
import operator
import random
from collections import Counter
from collections.abc import Sequence

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
    counts = [1.0]
    for chance in chances:
        more = [0.0, *(count * chance for count in counts)]
        counts = [count * (1 - chance) + other for count, other in zip([*counts, 0.0], more, strict=True)]
    return math.fsum(counts[hits:])


def rank_correlation(places: Sequence[float], values: Sequence[float], *, seed: int = 0) -> float:
    """Return the probability of so strong a trend of values along places, if there is none.

    Args:
        places: where each was measured.
        values: of each.
        seed: of the permutations.

    Source: Spearman's rank correlation with a permutation test, the measured order counted as one of them.
    """
    one, other = _ranks(places), _ranks(values)
    found = abs(_product(one, other))
    if found == 0:
        return 1.0
    generator, as_strong = random.Random(seed), 1
    for _ in range(_PERMUTATIONS):
        generator.shuffle(other)
        as_strong += abs(_product(one, other)) >= found - 1e-9
    return as_strong / (1 + _PERMUTATIONS)


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum(map(operator.mul, one, other)))


def _ranks(values: Sequence[float]) -> list[float]:
    """Return ranks around 0; equal values share theirs."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    counts = Counter(values)
    middle = (len(values) - 1) / 2
    return [first[value] + (counts[value] - 1) / 2 - middle for value in values]
