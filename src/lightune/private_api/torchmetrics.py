"""torchmetrics' private names that lightune needs."""

from typing import Any

from torch import Tensor
from torchmetrics import Metric

__all__ = ["restore_state", "update_count"]


def update_count(metric: Metric) -> int:
    """Return how often a metric was updated since it was reset, which `metric_state` does not hold.

    For: metrics of half an epoch in a checkpoint. Without it: the resumed metric warns that it is empty.
    """
    return metric._update_count


def restore_state(metric: Metric, count: int, state: dict[str, Tensor | list[Any]]) -> None:
    """Give a metric the state that was read of one before.

    Args:
        metric: of the same class and settings.
        count: as `update_count` returned it.
        state: as `metric_state` was.
    """
    metric._update_count = count
    for name, value in state.items():
        setattr(metric, name, value)
