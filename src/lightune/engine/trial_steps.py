"""Steps that are taken to try something: on a copy of a task, so that the task itself stays as it is."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import GradClipAlgorithmType
from torch import Tensor

from lightune.data.loader import Batch, MixedBatch
from lightune.models import TransferNetwork
from lightune.tasks import SupervisedTask

__all__ = ["TrialSteps", "own_random_numbers"]


class TrialSteps:
    """Train a copy of a task, with the optimizer, the clipping and the precision that it will be trained with.

    Args:
        task: with fresh weights; it is copied.
        trainer: which knows the device and the precision; it is not changed.

    Attributes:
        task: the copy, on the trainer's device.
        optimizer: of the copy.
    """

    def __init__(self, task: SupervisedTask, trainer: Trainer) -> None:
        self._device = trainer.strategy.root_device
        self._precision = trainer.precision_plugin
        self._clip = trainer.gradient_clip_val
        self._algorithm = GradClipAlgorithmType(trainer.gradient_clip_algorithm or "norm")
        self.task = copy.deepcopy(task)
        self._precision.convert_module(self.task).to(self._device)  # changed in place
        self.task.train()
        if isinstance(self.task.model, TransferNetwork):
            self.task.model.at_epoch(0)
        self.optimizer = self.task.make_optimizer()
        scales = getattr(self._precision, "scaler", None) is not None
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=scales)

    def step(self, batch: Batch | MixedBatch) -> Tensor:
        """Take an optimizer step on a batch, from any device; return its loss, a scalar."""
        there = tuple(part.to(self._device) for part in batch)

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            with self._precision.train_step_context():
                loss = self.task.training_loss(self._precision.convert_input(there))
            torch.autograd.backward(self._scaler.scale(loss))
            if self._clip and not self._scaler.is_enabled():
                self._precision.clip_gradients(self.optimizer, self._clip, self._algorithm)
            losses.append(loss.detach())
            return loss

        losses: list[Tensor] = []
        if self._scaler.is_enabled():
            closure()
            self._scaler.step(self.optimizer)
            self._scaler.update()
        else:
            self.optimizer.step(closure)  # type: ignore[arg-type]  # some optimizers call it several times
        return losses[0]


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Draw random numbers from a seed meanwhile, and leave torch's generators as they were.

    Args:
        seed: of what is drawn inside, e.g. by dropout.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
