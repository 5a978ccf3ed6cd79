"""Conformal prediction: sets of classes and intervals of values that hold the truth as often as asked.

What they promise rests on one assumption: that the samples they were fitted on and the new ones are exchangeable,
as draws from one source in any order are.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_intervals", "fit_sets", "upper_quantile"]

Floats = NDArray[np.float64]


def upper_quantile(scores: Floats, level: float) -> Floats:
    """Return the score (…) that a new one exceeds with a probability of at most 1 - level.

    Args:
        scores: (N, …) of samples that are exchangeable with the new one.
        level: in (0, 1).

    Raises:
        ValueError: if there are too few of them for the level.

    Source: Vovk, Gammerman & Shafer 2005; the ceil((N + 1) level)-th smallest score.
    """
    count = len(scores)
    place = math.ceil((count + 1) * level - 1e-9)
    if place > count:
        least = math.ceil(level / (1 - level) - 1e-9)
        most = math.floor(1000 * count / (count + 1)) / 1000
        raise ValueError(
            f"{level:g} takes at least {least:,} samples of the validation part, and there are {count:,}, "
            f"which are enough for {most:g}"
        )
    quantile: Floats = np.sort(scores, axis=0)[place - 1]
    return quantile


def fit_sets(probabilities: Floats, targets: NDArray[np.int64], level: float) -> float:
    """Return how improbable, at most, the classes of a set are: those with 1 - p up to that.

    Args:
        probabilities: (N, C) that were predicted for samples that the network has not learnt from.
        targets: (N,) their classes.
        level: share of sets that hold the true class, in (0, 1).

    Raises:
        ValueError: as `upper_quantile`.

    Source: Sadinle, Lei & Wasserman 2019, Least Ambiguous Set-Valued Classifiers.
    """
    return float(upper_quantile(1 - probabilities[np.arange(len(targets)), targets], level))


def fit_intervals(predicted: Floats, targets: Floats, level: float) -> Floats:
    """Return the half width (T,) of intervals around predicted values.

    Args:
        predicted: (N, T) for samples that the network has not learnt from.
        targets: (N, T) their values.
        level: share of intervals that hold the true value, in (0, 1).

    Raises:
        ValueError: as `upper_quantile`.

    Source: Lei et al. 2018, Distribution-Free Predictive Inference for Regression, algorithm 2.
    """
    return upper_quantile(np.abs(predicted - targets), level)
