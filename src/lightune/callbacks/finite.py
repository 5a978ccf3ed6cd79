"""End a training whose loss or weights are not finite, before they are saved."""

import math
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lightune.callbacks.agreement import gathered, weights_are_finite

_ADVICE = "try a smaller optimizer.lr, regularization=gradient_clip, or trainer.precision=32-true"
_LOOKED_AT_TOGETHER = 50  # losses


class NonFiniteLossError(ArithmeticError):
    """The training loss or the weights became NaN or infinite; the message says the step and the value."""


class FiniteLoss(Callback):
    """Stop when the training loss is NaN or infinite: at once on a CPU, every few steps elsewhere.

    Looking at a loss makes a GPU wait, and several processes wait for each other.

    Args:
        gather: returns the values (n,) of every process: (processes, n).
    """

    def __init__(self, *, gather: Callable[[Trainer, Tensor], Tensor] = gathered) -> None:
        super().__init__()
        self._gather = gather
        self._steps: list[int] = []
        self._losses: list[Tensor] = []
        self._looked_at_weights = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the loss of a step."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self.take(trainer, loss)

    def take(self, trainer: Trainer, loss: Tensor) -> None:
        """Check the loss, a scalar, of the step that was taken last.

        Raises:
            NonFiniteLossError: if it is not finite; elsewhere than on a CPU, if one before was not.
        """
        if loss.device.type == "cpu" and trainer.world_size == 1:
            if not math.isfinite(value := float(loss)):
                require_finite(trainer.global_step, value)
            return
        self._steps.append(trainer.global_step)
        self._losses.append(loss.detach())
        if len(self._losses) >= _LOOKED_AT_TOGETHER or trainer.is_last_batch:
            self.look(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the losses that an epoch cut short has left, and the weights: no loss shows the last update.

        Raises:
            NonFiniteLossError: if a loss or a weight is not finite.
        """
        self.look(trainer)
        if not self._looked_at_weights:
            self._look_at_weights(trainer, pl_module)
        self._looked_at_weights = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the weights before what they measure is judged.

        Raises:
            NonFiniteLossError: if a weight is not finite.
        """
        if not trainer.sanity_checking:
            self._look_at_weights(trainer, pl_module)
            self._looked_at_weights = trainer.is_last_batch

    @staticmethod
    def _look_at_weights(trainer: Trainer, pl_module: LightningModule) -> None:
        if not weights_are_finite(trainer, pl_module.parameters()):
            refuse_weights(trainer.global_step)

    def look(self, trainer: Trainer) -> None:
        """Check the losses that are pending, in every process.

        Raises:
            NonFiniteLossError: if one is not finite.
        """
        if not self._losses:
            return
        steps, losses = self._steps, torch.stack(self._losses).float()
        self._steps, self._losses = [], []
        for step, values in zip(steps, self._gather(trainer, losses).T.tolist(), strict=True):
            for value in values:
                require_finite(step, value)


def require_finite(step: int, value: float) -> None:
    """Refuse a training loss that is not finite.

    Raises:
        NonFiniteLossError: if it is not.
    """
    if not math.isfinite(value):
        raise NonFiniteLossError(f"the training loss became {value} at step {step}; {_ADVICE}")


def refuse_weights(step: int) -> NoReturn:
    """Refuse weights that are not finite after a step.

    Raises:
        NonFiniteLossError: always.
    """
    raise NonFiniteLossError(f"the weights became non-finite at step {step}; {_ADVICE}")
