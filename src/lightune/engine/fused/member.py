"""One training of a fused group: what it is made of, and what has come of it so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from lightune.data import InMemoryData
from lightune.losses import ClassWeighted, CrossEntropy
from lightune.tasks import SupervisedTask

__all__ = ["Ending", "EpochEnd", "Member"]

Ending = Literal["completed", "stopped", "diverged"]


@dataclass(eq=False)
class Member:
    """One training of a group.

    Args:
        task: with fresh weights; its network is trained in place.
        data: divided; members of the same data may share the object.
        seed: of the dropout masks, >= 0; the order of batches is the data's own.
        gradient_clip: largest norm of its gradient, > 0; None for no limit.
        checkpoint: content of a checkpoint written at the end of an epoch, from which it resumes; it is dropped
            once the member has resumed.

    Attributes:
        ending: how it ended; None while it is trained.
        epochs: epochs trained, >= 0.
        steps: optimizer steps taken, >= 0.
        train_seconds: its share, the group's time over the number of members that were trained.
        validate_seconds: likewise.
        bad_loss: the step, from 1, at which its loss was first not finite, and that loss.
        bad_weights: whether its weights were not finite at the end of an epoch.
    """

    task: SupervisedTask
    data: InMemoryData
    seed: int
    gradient_clip: float | None = None
    checkpoint: Mapping[str, Any] | None = None
    ending: Ending | None = field(default=None, init=False)
    epochs: int = field(default=0, init=False)
    steps: int = field(default=0, init=False)
    train_seconds: float = field(default=0.0, init=False)
    validate_seconds: float = field(default=0.0, init=False)
    bad_loss: tuple[int, float] | None = field(default=None, init=False)
    bad_weights: bool = field(default=False, init=False)

    @property
    def is_active(self) -> bool:
        """Whether it is still trained."""
        return self.ending is None

    @property
    def label_smoothing(self) -> float:
        """Share of the target spread over all classes, in [0, 1]; 0 for losses that have none."""
        loss = self.task.loss
        return loss.label_smoothing if type(loss) is CrossEntropy else 0.0

    @property
    def class_weights(self) -> torch.Tensor | None:
        """How much a sample of each class counts in training, (C,); None if all count the same."""
        loss = self.task.loss
        return loss.weights if isinstance(loss, ClassWeighted) else None

    def load_weights(self, dtype: torch.dtype) -> None:
        """Load the weights of its checkpoint, if it has one, into its network, which is converted to the dtype."""
        if self.checkpoint is not None:
            self.task.model.to(dtype)
            self.task.load_state_dict(self.checkpoint["state_dict"])


@dataclass(frozen=True)
class EpochEnd:
    """The end of an epoch of one member.

    Args:
        member: whose epoch it was.
        epoch: its number, from 0.
        measures: `stage/metric` → value.
    """

    member: Member
    epoch: int
    measures: dict[str, float]
