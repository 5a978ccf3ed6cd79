"""Decisions that all processes of a training must take alike, or wait for each other for ever."""

from collections.abc import Iterable

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

STEPS_BETWEEN_QUESTIONS = 10
"""In a training of several processes: asking makes them wait for each other."""


def any_process(trainer: Trainer, decision: bool) -> bool:
    """Return True if any process decides so."""
    return decision if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(decision, all=False)


def every_process(trainer: Trainer, decision: bool) -> bool:
    """Return True if every process decides so."""
    return decision if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(decision, all=True)


def weights_are_finite(trainer: Trainer, weights: Iterable[Tensor]) -> bool:
    """Return True if every weight is finite in every process."""
    return every_process(trainer, all(bool(torch.isfinite(each).all()) for each in weights))


def may_pause(trainer: Trainer, batch_idx: int) -> bool:
    """Return True if a training can be left after this batch: nothing is pending, the epoch is not over.

    A validation that is due is waited for: a training that is resumed would do without.
    """
    if (batch_idx + 1) % trainer.accumulate_grad_batches or trainer.is_last_batch:
        return False
    if trainer.enable_validation and _validation_is_due(trainer, batch_idx):
        return False
    return trainer.world_size == 1 or (batch_idx + 1) % STEPS_BETWEEN_QUESTIONS == 0


def ends_within_epoch(trainer: Trainer) -> bool:
    """Return True if the step taken last was the last of `max_steps`, and not the last of its epoch."""
    return 0 <= trainer.max_steps <= trainer.global_step and not trainer.is_last_batch


def _validation_is_due(trainer: Trainer, batch_idx: int) -> bool:
    every = trainer.val_check_batch
    if not every or every == float("inf"):
        return False
    batches = batch_idx if trainer.check_val_every_n_epoch is not None else trainer.fit_loop.total_batch_idx
    return (batches + 1) % int(every) == 0


def gathered(trainer: Trainer, values: Tensor) -> Tensor:
    """Return the values (n,) of every process: (processes, n)."""
    if trainer.world_size == 1:
        return values.unsqueeze(0)
    parts = [torch.empty_like(values) for _ in range(trainer.world_size)]
    torch.distributed.all_gather(parts, values.contiguous())
    return torch.stack(parts)


class SharedStop(Callback):
    """Stop every process when one is to stop, such as the one that reports to a study."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask the others."""
        trainer.should_stop = any_process(trainer, trainer.should_stop)
