"""How far a test figure may be off because the test part is but a sample."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import bootstrap
from torch import Tensor

from lightune.metrics.meter import MetricSet


def confidence_interval(
    metrics: MetricSet,
    name: str,
    predicted: Sequence[Tensor],
    targets: Tensor,
    *,
    resamples: int,
    level: float,
    seed: int,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a metric over resampled test samples (SciPy's).

    Args:
        metrics: the set that holds the metric.
        name: of the metric, e.g. `accuracy`.
        predicted: predictions (N, K) of each of several models for the same samples; the figure is their mean.
        targets: (N,) or (N, K).
        resamples: how many times N samples are drawn with replacement, > 0.
        level: of confidence, in (0, 1).
        seed: of the draws.
    """
    metric = metrics.collection("test")[name]
    metric.distributed_available_fn = lambda: False  # every process has all predictions

    def figure(drawn: NDArray[np.int64]) -> float:
        rows = torch.from_numpy(drawn)
        values = []
        for each in predicted:
            metric.reset()
            metric.update(*metrics.adapt(each[rows], targets[rows]))
            values.append(float(metric.compute()))
        return sum(values) / len(values)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample may hold no sample of a class, or only equal figures
        interval = bootstrap(
            (np.arange(len(targets)),),
            figure,
            n_resamples=resamples,
            confidence_level=level,
            method="percentile",
            vectorized=False,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(interval.low), float(interval.high)
