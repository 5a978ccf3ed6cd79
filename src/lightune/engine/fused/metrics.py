"""Metrics of many members at once: the values of torchmetrics for each, at about the cost of one.

Counting and ranking go over all members together. A set of metrics that is not lightune's own, or that measures
something for which there is no stacked form here, is measured member by member with its own objects.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from lightune.metrics import ClassificationMetrics, RegressionMetrics
from lightune.metrics.meter import BUFFERED_VALUES, MetricSet


class Gauge(Protocol):
    """What measures one stage of M members."""

    def update(self, predictions: Tensor, target: Tensor) -> None:
        """Add predictions (M, N, …) and targets (M, N, …)."""

    def compute(self) -> dict[str, Tensor]:
        """Return name → (M,) of all that was added, and start over."""


class StackedMeter:
    """Gather one stage of M members: the mean loss, and metrics over every sample since the last reading.

    Args:
        metrics: the set that makes this stage's metrics.
        stage: `train` or `val`; the prefix of every name.
        members: M.

    Attributes:
        last: predictions (M, N, …) and targets (M, N, …) of the last reading; kept of the validation alone.
    """

    def __init__(self, metrics: MetricSet, stage: str, *, members: int) -> None:
        self.stage = stage
        self._metrics = metrics
        self._gauge = _gauge(metrics, stage, members)
        self._loss: Tensor | None = None
        self._samples = self._values = 0
        self._predictions: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._keeps = stage == "val"
        self._kept: list[tuple[Tensor, Tensor]] = []
        self.last: tuple[Tensor, Tensor] | None = None

    def last_of(self, member: int) -> tuple[Tensor, Tensor] | None:
        """Return predictions (N, …) and targets (N, …) of one member at the last reading."""
        return None if self.last is None else (self.last[0][member], self.last[1][member])

    def add(self, losses: Tensor, predictions: Tensor, target: Tensor, rows: Sequence[int] | None = None) -> None:
        """Add a batch of all members: mean losses (M,), predictions (M, B, …) and targets (M, B, …)."""
        assert rows is None, "members of different sizes are measured by a RaggedMeter"
        samples = target.shape[1]
        self._loss = losses * samples if self._loss is None else self._loss + losses * samples
        self._samples += samples
        if self._keeps or self._gauge is not None:
            self._predictions.append(predictions)
            self._targets.append(target)
            self._values += predictions.numel()
            if self._values > BUFFERED_VALUES:
                self._count_in()

    def read(self) -> dict[str, Tensor]:
        """Return every measure as `stage/name`: (M,) float; then start over."""
        assert self._loss is not None
        measures = {f"{self.stage}/loss": self._loss / self._samples}
        self._count_in()
        if self._gauge is not None:
            measures |= self._gauge.compute()
        if self._keeps:
            parts, self._kept = self._kept, []
            self.last = parts[0] if len(parts) == 1 else _side_by_side(parts)
        self._loss, self._samples = None, 0
        return measures

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with these rows only; between readings."""
        self._gauge = _gauge(self._metrics, self.stage, len(rows))
        self.last = None

    def _count_in(self) -> None:
        if self._predictions:
            together = torch.cat(self._predictions, dim=1), torch.cat(self._targets, dim=1)
            if self._gauge is not None:
                self._gauge.update(*together)
            if self._keeps:
                self._kept.append(together)
        self._predictions, self._targets, self._values = [], [], 0


def _side_by_side(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor] | None:
    if not parts:
        return None
    predictions, targets = zip(*parts, strict=True)
    return torch.cat(predictions, dim=1), torch.cat(targets, dim=1)


_OWN: tuple[type, ...] = (ClassificationMetrics, RegressionMetrics)


def _gauge(metrics: MetricSet, stage: str, members: int) -> Gauge | None:
    if not isinstance(metrics, ClassificationMetrics | RegressionMetrics) or type(metrics) not in _OWN:
        return _OneByOne(metrics, stage, members)
    chosen: Sequence[str] = metrics.train if stage == "train" else metrics.names
    own = [name for name in chosen if name not in metrics.extra.names]
    stacked: Gauge
    if isinstance(metrics, ClassificationMetrics):
        known, stacked = _Classification.measured, _Classification(metrics, stage, own)
    else:
        known, stacked = _Regression.measured, _Regression(stage, own)
    if not set(own) <= known:
        return _OneByOne(metrics, stage, members)
    extra = [_OneByOne(metrics.extra, stage, members)] if own != list(chosen) else []
    return _together([*([stacked] if own else []), *extra])


def _together(gauges: Sequence[Gauge]) -> Gauge | None:
    return _Several(gauges) if len(gauges) > 1 else next(iter(gauges), None)


class _Several:
    """Measure the same with several gauges, each of which has names of its own."""

    def __init__(self, gauges: Sequence[Gauge]) -> None:
        self._gauges = gauges

    def update(self, predictions: Tensor, target: Tensor) -> None:
        for gauge in self._gauges:
            gauge.update(predictions, target)

    def compute(self) -> dict[str, Tensor]:
        measures: dict[str, Tensor] = {}
        for gauge in self._gauges:
            measures |= gauge.compute()
        return measures


class _OneByOne:
    """Measure each member with metric objects of its own."""

    def __init__(self, metrics: MetricSet, stage: str, members: int) -> None:
        self._adapt = metrics.adapt
        self._collections: list[MetricCollection] = [metrics.collection(stage) for _ in range(members)]

    def update(self, predictions: Tensor, target: Tensor) -> None:
        for collection, own, wanted in zip(self._collections, predictions, target, strict=True):
            collection.update(*self._adapt(own, wanted))

    def compute(self) -> dict[str, Tensor]:
        read = [collection.compute() for collection in self._collections]
        for collection in self._collections:
            collection.reset()
        return {name: torch.stack([torch.as_tensor(one[name]) for one in read]) for name in read[0]}


class _Classification:
    """Confusion counts for accuracy, precision, recall and F1; ranks for AUROC.

    With two classes the figures are those of class 1 at a threshold of one half.
    """

    measured: ClassVar[set[str]] = {"accuracy", "precision", "recall", "f1", "auroc"}

    def __init__(self, metrics: ClassificationMetrics, stage: str, names: Sequence[str]) -> None:
        self._classes, self._average = metrics.num_classes, metrics.average
        self._stage, self._names = stage, tuple(names)
        self._confusion: Tensor | None = None
        self._scores: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, predictions: Tensor, target: Tensor) -> None:
        classes, members = self._classes, len(target)
        decided = (predictions[..., 1] > 0.5).long() if classes == 2 else predictions.argmax(dim=2)
        member = torch.arange(members, device=target.device).unsqueeze(1)
        cells = (member * classes + target) * classes + decided
        counts = torch.bincount(cells.flatten(), minlength=members * classes * classes)
        confusion = counts.reshape(members, classes, classes)
        self._confusion = confusion if self._confusion is None else self._confusion + confusion
        if "auroc" in self._names:
            self._scores.append(predictions)
            self._targets.append(target)

    def compute(self) -> dict[str, Tensor]:
        assert self._confusion is not None
        confusion = self._confusion
        true = confusion.diagonal(dim1=1, dim2=2)
        predicted, actual = confusion.sum(dim=1), confusion.sum(dim=2)
        figures = {
            "accuracy": lambda: _ratio(true.sum(1), actual.sum(1)),
            "precision": lambda: self._mean(true, predicted, predicted, actual),
            "recall": lambda: self._mean(true, actual, predicted, actual),
            "f1": lambda: self._mean(2 * true, predicted + actual, predicted, actual),
            "auroc": lambda: self._auroc(actual),
        }
        measures = {f"{self._stage}/{name}": figures[name]() for name in self._names}
        self._confusion, self._scores, self._targets = None, [], []
        return measures

    def _mean(self, part: Tensor, whole: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        """Average part / whole over classes; a class that is nowhere counts for nothing in a macro average."""
        if self._classes == 2:
            return _ratio(part[:, 1], whole[:, 1])
        if self._average == "micro":
            return _ratio(part.sum(1), whole.sum(1))
        weights = actual if self._average == "weighted" else (predicted + actual > 0).long()
        return _ratio((weights * _ratio(part, whole)), weights.sum(1, keepdim=True).float()).sum(1)

    def _auroc(self, actual: Tensor) -> Tensor:
        scores, target = torch.cat(self._scores, dim=1), torch.cat(self._targets, dim=1)
        if self._classes == 2:
            return _area(scores[..., 1:].transpose(1, 2), (target == 1).unsqueeze(1))[:, 0]
        classes = torch.arange(self._classes, device=target.device).reshape(1, -1, 1)
        areas = _area(scores.transpose(1, 2), target.unsqueeze(1) == classes)
        weights = actual if self._average == "weighted" else ((actual > 0) & (actual < target.shape[1])).long()
        return _ratio((areas * weights).sum(dim=1), weights.sum(dim=1))


class _Regression:
    """Sums for MAE, RMSE and R²; sums are in double precision."""

    measured: ClassVar[set[str]] = {"mae", "rmse", "r2"}

    def __init__(self, stage: str, names: Sequence[str]) -> None:
        self._stage, self._names = stage, tuple(names)
        self._sums: Tensor | None = None
        self._samples = 0

    def update(self, predictions: Tensor, target: Tensor) -> None:
        predictions, target = predictions.reshape(target.shape).double(), target.double()
        error = predictions - target
        terms = torch.stack([error.abs(), error.square(), target, target.square()]).sum(dim=2)
        self._sums = terms if self._sums is None else self._sums + terms
        self._samples += target.shape[1]

    def compute(self) -> dict[str, Tensor]:
        assert self._sums is not None
        absolute, squared, total, total_squares = torch.unbind(self._sums)  # (M, T) each
        figures = {
            "mae": lambda: absolute.mean(dim=1) / self._samples,
            "rmse": lambda: (squared.mean(dim=1) / self._samples).sqrt(),
            "r2": lambda: _r2(squared, total_squares - total * total / self._samples),
        }
        measures = {f"{self._stage}/{name}": figures[name]().float() for name in self._names}
        self._sums, self._samples = None, 0
        return measures


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Divide; nothing of nothing is 0."""
    return torch.where(whole != 0, part.float() / whole, 0.0)


def _area(scores: Tensor, positive: Tensor) -> Tensor:
    """Return the area under the ROC curve: scores (…, N) and positive (…, N) bool give (…); 0 without both kinds.

    It is the share of pairs of a positive and a negative that the score puts in order, a tie counting half
    (Hanley & McNeil 1982; Mann & Whitney 1947), from mid-ranks.
    """
    shape, length = scores.shape[:-1], scores.shape[-1]
    scores, positive = scores.reshape(-1, length).contiguous(), positive.expand_as(scores).reshape(-1, length)
    ordered = _sorted(scores)
    positives = positive.sum(dim=-1)
    row, column = positive.nonzero(as_tuple=True)
    place = torch.arange(len(row), device=row.device) - (positives.cumsum(0) - positives)[row]
    asked = scores.new_zeros(len(scores), int(positives.max()))  # of each row the scores of its positives
    asked[row, place] = scores[row, column]
    below = torch.searchsorted(ordered, asked)
    not_above = torch.searchsorted(ordered, asked, right=True)
    ranks = ((below + not_above + 1).double() / 2)[row, place]
    total = ranks.new_zeros(len(scores)).index_add_(0, row, ranks)
    count = positives.double()
    pairs = count * (length - count)
    won = total - count * (count + 1) / 2
    return torch.where(pairs > 0, won / pairs, 0.0).float().reshape(shape)


def _sorted(rows: Tensor) -> Tensor:
    """Sort each row (R, N); NumPy takes a tenth of torch's time on a CPU."""
    if rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(np.sort(rows.numpy(), axis=-1))
    return rows.sort(dim=-1).values


def _r2(residual: Tensor, total: Tensor) -> Tensor:
    """Average 1 - residual / total over targets; as torchmetrics has it for what never varies."""
    wrong, varied = residual.abs() > 1e-4, total.abs() > 1e-4
    score = torch.where(wrong & varied, 1 - residual / total, torch.where(wrong, 0.0, 1.0))
    return score.mean(dim=1)
