"""The gauge of one stage: the mean loss, and metrics over every sample seen since the last reading."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from lightune.metrics.extra import ExtraMetrics
from lightune.private_api.torchmetrics import restore_state, update_count

BUFFERED_VALUES = 4_000_000
"""Prediction values that are kept before they are counted in: about 16 MB."""


class MetricSet(Protocol):
    """What a task asks of a set of metrics."""

    names: tuple[str, ...]
    """Of what it measures, without the stage."""
    bootstrap: int
    """Resamples behind the confidence interval of the test figure; 0 for none."""

    def collection(self, stage: str) -> MetricCollection:
        """Return new metrics for a stage, named `stage/metric`."""

    def adapt(self, predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Turn a task's predictions and targets into what the metrics take."""


def alone(metrics: MetricSet, stage: str, name: str) -> tuple[Metric, Callable[[Tensor, Tensor], Any]]:
    """Return one metric of a set, and what turns predictions and targets into what it takes.

    Args:
        metrics: the set.
        stage: whose metric it is.
        name: without the stage.
    """
    metric: Metric = metrics.collection(stage)[name]
    inputs_of = getattr(metrics, "inputs_of", None)  # sets of one's own need not have it
    return metric, metrics.adapt if inputs_of is None else inputs_of(metric)


def is_higher_better(metrics: MetricSet, name: str) -> bool:
    """Tell whether a metric of a set, named without its stage, is better when it is higher."""
    extra = getattr(metrics, "extra", None)
    if isinstance(extra, ExtraMetrics) and name in extra.names:
        return bool(extra.higher_is_better(name))
    return name in getattr(metrics, "higher_is_better", ())


class StageMeter(nn.Module):
    """Gather one stage's batches and measure them together, so that a batch costs next to nothing.

    Args:
        metrics: the set that makes this stage's metrics.
        stage: `train`, `val` or `test`; the prefix of every name.
        predict: makes predictions of outputs, many batches at a time; by default outputs are predictions.
        buffered_values: numbers that are kept before they are counted in, >= 0.

    Attributes:
        last: predictions and targets (N, …) of the last reading, in the order in which they came; kept of the
            validation alone.
    """

    def __init__(
        self,
        metrics: MetricSet,
        stage: str,
        predict: Callable[[Tensor], Tensor] = lambda outputs: outputs,
        *,
        buffered_values: int = BUFFERED_VALUES,
    ) -> None:
        super().__init__()
        self.stage = stage
        self._metrics = metrics
        self._collection: MetricCollection | None = None
        self._adapt, self._predict = metrics.adapt, predict
        self._loss: list[Tensor] = []  # sums over samples
        self._samples = 0
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._values, self._most_values = 0, buffered_values
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._keeps = stage == "val"
        self._kept: list[tuple[Tensor, Tensor]] = []
        self.last: tuple[Tensor, Tensor] | None = None

    @property
    def collection(self) -> MetricCollection:
        """The metrics, made when they are first needed: members of a fused group never need them."""
        if self._collection is None:
            self._collection = self._metrics.collection(self.stage)
        return self._collection

    @property
    def _has_metrics(self) -> bool:
        return len(self.collection) > 0

    def add(self, loss: Tensor, outputs: Tensor, target: Tensor) -> None:
        """Add a batch: its mean loss (scalar), outputs (B, …) and targets (B, …)."""
        self._losses.append(loss.detach())
        self._sizes.append(len(target))
        self._values += 1
        if self._keeps or self._has_metrics:
            self._outputs.append(outputs.detach())
            self._targets.append(target)
            self._values += outputs.numel()
        if self._values > self._most_values:
            self._count_in()

    @property
    def has_samples(self) -> bool:
        """Whether anything was added since the last reading."""
        return len(self._sizes) > 0 or self._samples > 0

    def pending(self) -> dict[str, Any]:
        """Return what was added since the last reading, as plain values."""
        parts = dict(self.collection.items(copy_state=False))
        return {
            "loss": [self._loss, self._samples, self._losses, self._sizes],
            "batches": [self._outputs, self._targets, self._values],
            "metrics": {name: [update_count(metric), metric.metric_state] for name, metric in parts.items()},
        }

    def resume(self, pending: dict[str, Any]) -> None:
        """Resume from what `pending` returned."""
        self._loss, self._samples, self._losses, self._sizes = pending["loss"]
        self._outputs, self._targets, self._values = pending["batches"]
        parts = dict(self.collection.items(copy_state=False))
        for name, (count, state) in pending["metrics"].items():
            restore_state(parts[name], count, state)

    def read(self) -> dict[str, Tensor]:
        """Return every measure as `stage/name`: scalar, over all processes; then start over."""
        self._count_in()
        measures = {f"{self.stage}/loss": self._mean_loss()}
        self._loss, self._samples = [], 0
        if self._has_metrics:
            measures |= self.collection.compute()
            self.collection.reset()
        if self._keeps:
            parts, self._kept = self._kept, []
            self.last = tuple(map(_joined, map(list, zip(*parts, strict=True)))) if parts else None  # type: ignore[assignment]
        return measures

    def _mean_loss(self) -> Tensor:
        total, samples = torch.stack(_together(self._loss)).sum(), self._samples
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            both = torch.stack([total.double(), total.new_tensor(samples).double()])
            torch.distributed.all_reduce(both)
            return (both[0] / both[1]).to(total.dtype)
        return total / samples

    def _count_in(self) -> None:
        if self._sizes:
            losses = torch.stack(_together(self._losses))
            self._loss.append((losses * losses.new_tensor(self._sizes)).sum())
            self._samples += sum(self._sizes)
        if self._outputs:
            with torch.no_grad():
                predictions = self._predict(_joined(self._outputs))
            targets = _joined(self._targets)
            if self._has_metrics:
                self.collection.to(predictions.device)
                self.collection.update(*self._adapt(predictions, targets))
            if self._keeps:
                self._kept.append((predictions, targets))
        self._losses, self._sizes, self._values = [], [], 0
        self._outputs, self._targets = [], []


def _joined(batches: list[Tensor]) -> Tensor:
    return torch.cat(_together(batches))


def _together(batches: list[Tensor]) -> list[Tensor]:
    """Put batches on the device of the newest: those of a checkpoint are on the CPU."""
    return [batch.to(batches[-1].device) for batch in batches]
