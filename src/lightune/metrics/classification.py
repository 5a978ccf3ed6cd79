"""Accuracy, precision, recall, F1 and the area under the ROC curve."""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torchmetrics.classification as tm
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from lightune.metrics.extra import ExtraMetrics, Inputs
from lightune.ranges import NonNegativeInt, PositiveInt

Average = Literal["macro", "micro", "weighted"]
Name = Literal["accuracy", "precision", "recall", "f1", "auroc"]


class ClassificationMetrics:
    """Make the metrics of a stage.

    With two classes precision, recall, F1 and AUROC are those of class 1; with more they are averaged over
    classes. Accuracy is always the share of samples that are right. A class without samples, or beside which
    there are no others, has no ROC curve and counts for nothing in the mean AUROC.

    Args:
        num_classes: number of classes, >= 2.
        average: how classes are averaged where there are more than two.
        train: names of those measured on the training samples too, while they are trained on.
        bootstrap: number of resamples behind the confidence interval of the test figure; 0 for no interval.
        extra: name → a metric to measure besides, e.g. `{_target_: torchmetrics.FBetaScore, beta: 2}`.
    """

    problem = "classification"
    names: tuple[str, ...] = ("accuracy", "precision", "recall", "f1", "auroc")
    higher_is_better = ("accuracy", "precision", "recall", "f1", "auroc")

    def __init__(
        self,
        num_classes: PositiveInt,
        average: Average = "macro",
        train: list[Name | str] | None = None,
        bootstrap: NonNegativeInt = 1000,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.num_classes = num_classes
        self.average = average
        self.bootstrap = bootstrap
        self.train = ["accuracy"] if train is None else list(train)
        self.own_names = ClassificationMetrics.names
        self.extra = ExtraMetrics(extra or {}, self.train, self.inputs_of)
        self.names = (*self.own_names, *self.extra.names)

    def collection(self, stage: str) -> MetricCollection:
        """Return new metrics for a stage, named `stage/metric`, to be updated with what `adapt` returns."""
        chosen = self.train if stage == "train" else self.own_names
        own = {name: self._metric(name) for name in chosen if name not in self.extra.names}
        return self.extra.beside(own, stage)

    def adapt(self, predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Turn probabilities (B, C) and targets (B,) int64 into what the collection takes."""
        return (predictions, target) if self.extra.names else self._binary(predictions, target)

    def inputs_of(self, metric: Metric) -> Inputs:
        """Return what turns probabilities (B, C) and targets (B,) int64 into what a metric takes.

        One that torchmetrics has for two classes takes the probability of class 1, any other those of each class.
        """
        of_two = any(each.__name__.startswith("Binary") for each in type(metric).__mro__)
        return self._binary if of_two else _whole

    def _binary(self, predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return (predictions[:, 1] if self.num_classes == 2 else predictions), target

    def _metric(self, name: str) -> Metric:
        if self.num_classes == 2:
            return _BINARY[name]()
        if name == "auroc":
            return _MeanAUROC(self.num_classes, weighted=self.average == "weighted")
        average = "micro" if name == "accuracy" else self.average
        return _MULTICLASS[name](num_classes=self.num_classes, average=average)


def _whole(predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return predictions, target


class _MeanAUROC(tm.MulticlassAUROC):
    """The mean area over the classes that have a ROC curve, which torchmetrics averages with 0 for the others."""

    def __init__(self, num_classes: int, *, weighted: bool) -> None:
        super().__init__(num_classes, average=None)
        self._weighted = weighted

    def compute(self) -> Tensor:  # type: ignore[override]  # its base computes curves
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No (positive|negative) samples", UserWarning)
            areas = super().compute()
        counts = torch.bincount(dim_zero_cat(self.target), minlength=len(areas))
        weights = counts * (counts < counts.sum()) if self._weighted else (counts > 0) & (counts < counts.sum())
        mean: Tensor = (areas * weights).sum() / weights.sum().clamp(min=1)
        return mean.clamp(max=1.0)


class _AUROC(tm.BinaryAUROC):
    def compute(self) -> Tensor:  # type: ignore[override]  # its base computes curves
        area: Tensor = super().compute()
        return area.clamp(max=1.0)  # its rounding may exceed 1


_BINARY: dict[str, type[Metric]] = {
    "accuracy": tm.BinaryAccuracy,
    "precision": tm.BinaryPrecision,
    "recall": tm.BinaryRecall,
    "f1": tm.BinaryF1Score,
    "auroc": _AUROC,
}
_MULTICLASS: dict[str, type[Metric]] = {
    "accuracy": tm.MulticlassAccuracy,
    "precision": tm.MulticlassPrecision,
    "recall": tm.MulticlassRecall,
    "f1": tm.MulticlassF1Score,
}
