"""Confidence intervals: how far a figure may be off because it was measured on a sample of all there is."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

__all__ = ["confidence_interval"]


def confidence_interval(
    measure: Callable[[NDArray[np.int64]], float], samples: int, *, resamples: int, level: float, seed: int
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a figure over resampled samples.

    Args:
        measure: from the numbers of drawn samples, (samples,) int64 in [0, samples), to the figure.
        samples: how many there are, > 1.
        resamples: how many times that many samples are drawn with replacement, > 0.
        level: of confidence, in (0, 1).
        seed: of the draws.

    Returns:
        The lower and the upper end.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; computed by SciPy.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample may hold no sample of a class, or only equal figures
        interval = bootstrap(
            (np.arange(samples),),
            measure,
            n_resamples=resamples,
            confidence_level=level,
            method="percentile",
            vectorized=False,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(interval.low), float(interval.high)
