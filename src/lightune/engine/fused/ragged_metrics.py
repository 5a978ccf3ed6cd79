"""Metrics of members whose parts differ in size, such as folds: those of one size are measured at once."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from lightune.engine.fused.data import alike
from lightune.engine.fused.metrics import StackedMeter
from lightune.metrics.meter import MetricSet

__all__ = ["STAGES", "RaggedMeter", "meter_of"]

Stage = Literal["train", "val"]
STAGES: tuple[Stage, Stage] = ("train", "val")


class RaggedMeter:
    """Gather one stage of M members, as `StackedMeter` does for members of one size.

    Args:
        metrics: the set that makes this stage's metrics.
        stage: `train` or `val`; the prefix of every name.
        sizes: samples of each member's part. Members of one size must be given batches of one length.
    """

    def __init__(self, metrics: MetricSet, stage: Stage, sizes: Sequence[int]) -> None:
        self._metrics, self._stage, self._sizes = metrics, stage, list(sizes)
        self._groups = self._meters()

    def add(self, losses: Tensor, predictions: Tensor, target: Tensor, rows: Sequence[int] | None = None) -> None:
        """Add a batch as `StackedMeter` does: of the members of some rows, of all by default."""
        given = {row: place for place, row in enumerate(range(len(self._sizes)) if rows is None else rows)}
        for members, meter in self._groups:
            if members[0] in given:
                places = [given[member] for member in members]
                meter.add(losses[places], predictions[places], target[places])

    def read(self) -> dict[str, Tensor]:
        """Return every measure as `stage/name`: (M,) float; then start over."""
        order = torch.tensor([row for rows, _ in self._groups for row in rows]).argsort()
        read = [meter.read() for _, meter in self._groups]
        return {name: torch.cat([one[name] for one in read])[order.to(read[0][name].device)] for name in read[0]}

    def last_of(self, member: int) -> tuple[Tensor, Tensor] | None:
        """Return predictions (N, …) and targets (N, …) of one member at the last reading."""
        rows, meter = next((rows, meter) for rows, meter in self._groups if member in rows)
        return meter.last_of(rows.index(member))

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with these rows only; between readings."""
        self._sizes = [self._sizes[row] for row in rows]
        self._groups = self._meters()

    def _meters(self) -> list[tuple[list[int], StackedMeter]]:
        return [
            (rows, StackedMeter(self._metrics, self._stage, members=len(rows)))
            for rows in alike(self._sizes).values()
        ]


def meter_of(metrics: MetricSet, stage: Stage, sizes: Sequence[int]) -> StackedMeter | RaggedMeter:
    """Return what measures one stage of members with parts of these sizes."""
    if len(set(sizes)) == 1:
        return StackedMeter(metrics, stage, members=len(sizes))
    return RaggedMeter(metrics, stage, sizes)
