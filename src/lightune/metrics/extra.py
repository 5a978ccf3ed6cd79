"""Metrics beside those of a set: any class of torchmetrics, or of one's own, under a name of its own."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from torchmetrics import Metric, MetricCollection

MetricFactory = Callable[[], Metric]
Inputs = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Turns predictions (N, …) and targets (N, …) of a task into what one metric takes."""


class ExtraMetrics:
    """Make the extra metrics of a stage, each with state of its own; a set of metrics in its own right.

    Args:
        factories: name → what makes the metric.
        train: names of those measured on the training samples too.
        inputs_of: returns what turns predictions and targets into what a metric takes.
    """

    bootstrap = 0

    def __init__(
        self, factories: Mapping[str, MetricFactory], train: Sequence[str], inputs_of: Callable[[Metric], Inputs]
    ) -> None:
        self.names = tuple(factories)
        self._factories = dict(factories)
        self._train = [name for name in train if name in factories]
        self._inputs_of = inputs_of

    def collection(self, stage: str) -> MetricCollection:
        """Return new metrics for a stage, named `stage/metric`."""
        return self.beside({}, stage)

    def beside(self, own: dict[str, Metric], stage: str) -> MetricCollection:
        """Return new metrics for a stage together with those of a set."""
        chosen = self._train if stage == "train" else self.names
        extra = {name: self._factories[name]() for name in chosen}
        if not extra:
            return MetricCollection(own, prefix=f"{stage}/")  # type: ignore[arg-type]
        return _EachByItself({**own, **extra}, self._inputs_of, prefix=f"{stage}/")

    def higher_is_better(self, name: str) -> bool | None:
        """Tell whether a metric is better when it is higher, as its class says; None if that says nothing."""
        return self._factories[name]().higher_is_better

    def adapt(self, predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return what was given: each metric takes it in a form of its own."""
        return predictions, target


class _EachByItself(MetricCollection):
    """Metrics that are given the same samples, each in the form that it takes.

    torchmetrics lets metrics of equal first states share them from then on. Two that differ in a threshold may be
    equal at first by chance, so that none share here.
    """

    def __init__(self, metrics: dict[str, Metric], inputs_of: Callable[[Metric], Inputs], *, prefix: str) -> None:
        super().__init__(metrics, prefix=prefix, compute_groups=False)  # type: ignore[arg-type]
        self._inputs_of = inputs_of

    def update(self, predictions: Tensor, target: Tensor) -> None:  # type: ignore[override]
        for metric in self.values(copy_state=False):
            metric.update(*self._inputs_of(metric)(predictions, target))
