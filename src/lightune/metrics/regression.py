"""Mean absolute error, root mean squared error, and the coefficient of determination."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import torchmetrics.regression as tm
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from lightune.metrics.extra import ExtraMetrics, Inputs
from lightune.ranges import NonNegativeInt

Name = Literal["mae", "rmse", "r2"]

_METRICS: dict[str, Callable[[], Metric]] = {
    "mae": tm.MeanAbsoluteError,
    "rmse": partial(tm.MeanSquaredError, squared=False),
    "r2": tm.R2Score,
}


class RegressionMetrics:
    """Make the metrics of a stage, in the units of the target.

    Args:
        train: names of those measured on the training samples too, while they are trained on.
        bootstrap: number of resamples behind the confidence interval of the test figure; 0 for no interval.
        extra: name → a metric to measure besides, e.g. `{_target_: torchmetrics.MeanAbsolutePercentageError}`.
    """

    problem = "regression"
    names: tuple[str, ...] = ("mae", "rmse", "r2")  # what reads signatures from source sees only literals
    higher_is_better = ("r2",)

    def __init__(
        self,
        train: list[Name | str] | None = None,
        bootstrap: NonNegativeInt = 1000,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.bootstrap = bootstrap
        self.train = ["rmse"] if train is None else list(train)
        self.own_names = RegressionMetrics.names
        self.extra = ExtraMetrics(extra or {}, self.train, self.inputs_of)
        self.names = (*self.own_names, *self.extra.names)

    def collection(self, stage: str) -> MetricCollection:
        """Return new metrics for a stage, named `stage/metric`, to be updated with what `adapt` returns."""
        chosen = self.train if stage == "train" else self.own_names
        own = {name: _METRICS[name]() for name in chosen if name not in self.extra.names}
        return self.extra.beside(own, stage)

    def inputs_of(self, metric: Metric) -> Inputs:
        """Return what turns predictions and targets into what a metric takes: the same for each."""
        return _of_targets

    def adapt(self, predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Turn predictions and targets (B, T) float32 into what the collection takes."""
        return (predictions, target) if self.extra.names else _of_targets(predictions, target)


def _of_targets(predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Turn predictions and targets (B, T) float32 into what torchmetrics takes: (B,) for one target."""
    if predictions.ndim == 2 and predictions.shape[1] == 1:
        return predictions[:, 0], target.reshape(-1)
    return predictions, target
