"""Batch sizes and strengths of regularization that change from epoch to epoch."""

import bisect
import math
from collections.abc import Sequence
from typing import Literal

from torch.optim import Optimizer

from lightune.ranges import NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["Growth", "rate_left"]


class Growth:
    """Multiply the batch size, the strengths of regularization, or both, again and again while a network learns.

    How often is a function of the epoch, or of the learning rate; nothing is remembered, so a run that was cut off
    goes on as if it had not been.

    Args:
        batch_growth: factor of the batch size at each change, > 0; 1 leaves it. Doubled batches do for the noise
            of the gradient what a halved rate does, in fewer steps (Smith et al. 2018).
        regularization_growth: factor of `l1`, `l2` and `dropout` at each change, > 0; 1 leaves them.
        start: epoch, from 0, before which nothing changes; with `follow=epochs` that of the first change.
        every: epochs from one change to the next, > 0.
        milestones: epochs of the changes, rising, in the place of `start` and `every`.
        follow: `epochs`, or `lr`: a change is each time that the learning rate has halved, of which there may be
            fractions, so that `batch_growth=2` keeps rate times batch size.
        max_batch_size: largest batch size, > 0; None is the whole training part.
    """

    def __init__(
        self,
        batch_growth: PositiveFloat = 1.0,
        regularization_growth: PositiveFloat = 1.0,
        start: NonNegativeInt = 10,
        every: PositiveInt = 10,
        milestones: list[NonNegativeInt] | None = None,
        follow: Literal["epochs", "lr"] = "epochs",
        max_batch_size: PositiveInt | None = None,
    ) -> None:
        self.batch_growth = batch_growth
        self.regularization_growth = regularization_growth
        self.start = start
        self.every = every
        self.milestones = None if milestones is None else sorted(milestones)
        self.follow = follow
        self.max_batch_size = max_batch_size

    def changes(self, epoch: int, rate: float = 1.0) -> float:
        """Return how many changes there have been.

        Args:
            epoch: from 0.
            rate: the learning rate over the first one, >= 0; infinitely many changes where it is zero.
        """
        if self.follow == "lr":
            return 0.0 if epoch < self.start else math.inf if rate <= 0 else -math.log2(rate)
        if self.milestones is not None:
            return bisect.bisect_right(self.milestones, epoch)
        return 0 if epoch < self.start else (epoch - self.start) // self.every + 1

    def batch_size(self, first: int, samples: int, epoch: int, rate: float = 1.0) -> int:
        """Return the batch size of an epoch.

        Args:
            first: batch size to begin with, > 0.
            samples: in the training part, > 0: no batch becomes larger, unless the first is.
            epoch: from 0.
            rate: the learning rate over the first one.
        """
        most = max(first, samples if self.max_batch_size is None else min(samples, self.max_batch_size))
        return round(min(max(1.0, _times(first, self.batch_growth, self.changes(epoch, rate))), most))

    def strength_factor(self, epoch: int, rate: float = 1.0) -> float:
        """Return what the strengths of an epoch are multiplied by, at most 1e6."""
        return min(_times(1.0, self.regularization_growth, self.changes(epoch, rate)), 1e6)


def rate_left(optimizers: Sequence[Optimizer]) -> float:
    """Return the learning rate of the first parameter group over the one that it began with; 1 without any."""
    if not optimizers:
        return 1.0
    group = optimizers[0].param_groups[0]
    return float(group["lr"]) / float(group.get("initial_lr", group["lr"]))


def _times(first: float, factor: float, changes: float) -> float:
    """Return first * factor ** changes; at most what a float holds."""
    if factor == 1:
        return first
    exponent = math.log2(first) + changes * math.log2(factor)
    if changes == int(min(changes, 1e6)) and abs(exponent) < 1000:  # exact: 64 * 2 ** 3 is 512
        return first * factor ** int(changes)
    return float(2 ** max(-1000.0, min(exponent, 1000.0)))
