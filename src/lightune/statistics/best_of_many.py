"""What the best of many is worth: the luckiest is chosen, and its own figure tells so too kindly."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Corrected", "corrected_best", "expected_best"]

Floats = NDArray[np.float64]
_BLOCK = 4_000_000  # numbers of a block of resamples


class Corrected(NamedTuple):
    """What the chosen one of many is to be expected to reach on new samples, with an interval.

    Args:
        value: the expected figure.
        low: lower end of the interval.
        high: its upper end.
    """

    value: float
    low: float
    high: float


def corrected_best(
    scores: Floats,
    *,
    mode: str,
    resamples: int = 400,
    level: float = 0.95,
    seed: int = 0,
    figure: Callable[[Floats], Floats] | None = None,
) -> Corrected:
    """Correct the figure of the best of several networks for its having been chosen by that figure.

    In each resample of the samples the best network is chosen anew, and measured on those that were not drawn. It
    is chosen by 63 % of the samples, so that the value is a little too low where networks truly differ.

    Args:
        scores: (N, n) of N networks on the same n samples, none of which they have learnt from; the figure of a
            network is the mean over its samples.
        mode: `max` if higher is better, or `min`.
        resamples: > 1.
        level: of the interval, in (0, 1).
        seed: of the draws.
        figure: what is made of a mean, such as the root of a mean square; it keeps or turns the order.

    Returns:
        The mean over resamples, and the percentiles; where scores are 0 or 1 and no resample differs from another,
        as where all samples are right, Wilson's interval of that share.

    Source: Tsamardinos, Greasidou & Borboudakis 2018, Bootstrapping the out-of-sample predictions for efficient
    and accurate cross-validation (Machine Learning 107), algorithm 5 (BBC-CV).
    """
    networks, samples = scores.shape
    of_mean = figure or (lambda mean: mean)
    sign = 1.0 if mode == "max" else -1.0
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // max(samples, networks))
    found: list[Floats] = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = generator.multinomial(samples, np.full(samples, 1 / samples), size=count).astype(np.float64)
        chosen = (sign * of_mean(drawn @ scores.T / samples)).argmax(axis=1)
        left = drawn == 0
        of_left = np.einsum("bn,bn->b", left, scores[chosen])
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(of_mean(of_left / left.sum(axis=1)))
    values = np.concatenate(found)
    values = values[np.isfinite(values)]  # of few samples all may have been drawn
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    if low == high and figure is None and np.isin(scores, (0.0, 1.0)).all():
        from scipy.stats import binomtest

        low, high = binomtest(round(float(low) * samples), samples).proportion_ci(level, method="wilson")
    return Corrected(float(values.mean()), float(low), float(high))


def expected_best(values: Floats, *, mode: str) -> Floats:
    """Return (N,) the expected best of n = 1, …, N points, of which N were drawn independently of each other.

    Only for random search: a sampler that learns draws its later points from better places.

    Args:
        values: (N,) of the points, in any order.
        mode: `max` if higher is better, or `min`.

    Source: Tang et al. 2020 (ACL), Showing Your Work Doesn't Always Work, eq. 6: the unbiased estimate, which is
    that of Dodge et al. 2019 for draws without replacement.
    """
    ordered = np.sort(values if mode == "max" else -values)
    count = len(ordered)
    expected = np.empty(count)
    weights = np.full(count, 1 / count)  # C(i - 1, n - 1) / C(N, n) for the i-th smallest, n = 1
    rank = np.arange(count)
    for drawn in range(1, count + 1):
        expected[drawn - 1] = weights @ ordered
        if drawn < count:
            weights = weights * np.maximum(rank - drawn + 1, 0) / drawn * (drawn + 1) / (count - drawn)
    return expected if mode == "max" else -expected
