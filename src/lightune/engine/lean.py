"""The lean loop: one Lightning step takes many minibatches, so that Lightning's own work is done once for all.

The trainer is given chunks of N minibatches. Of each chunk the task itself trains on all but the last, with the
trainer's own optimizer, clipping and schedule, and hands the last one to Lightning as an ordinary step. What
Lightning does at a step, it does as ever; whatever counts steps is moved on by the others.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import (
    EarlyStopping,
    GradientAccumulationScheduler,
    LearningRateMonitor,
    StochasticWeightAveraging,
)
from pytorch_lightning.plugins.precision import DoublePrecision, MixedPrecision, Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities import GradClipAlgorithmType
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightune.callbacks import BestAndLast, FiniteLoss, Interruption, Progress, Record
from lightune.callbacks.measured import validates_within_epochs
from lightune.data import InMemoryData
from lightune.data.loader import Batch, MixedBatch, in_minibatches
from lightune.engine.kernels import direct_update
from lightune.private_api.lightning import advance_logged_step
from lightune.ranges import PositiveInt
from lightune.tasks import SupervisedTask

__all__ = ["LeanSteps", "StepsPerExecution", "engage"]

log = logging.getLogger(__name__)

StepsPerExecution = PositiveInt | Literal["auto"]

_MOST_STEPS = 64  # `auto`: beyond this there is nothing left to save, and an interruption would wait longer
_MOST_BYTES = 64 * 1024**2  # `auto`: of a chunk's inputs
_MOST_STREAMED_BYTES = 16 * 1024**2  # several chunks are under way, and in the memory of who prepares them
_EVERY_BATCH = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
_CONTENT_WITH_CHUNKS = (Record, Progress, BestAndLast, EarlyStopping, FiniteLoss, Interruption)
_BATCHES = "epoch_loop.batch_progress"  # of Lightning's checkpoints


class Learner(Protocol):
    """What the lean loop asks of a task: the loss to be lowered on a batch, a scalar, and to hear of steps."""

    def training_loss(self, batch: Batch | MixedBatch) -> Tensor:
        """Return the loss of a batch, the penalty included."""

    def after_step(self) -> None:
        """Do what is due when the optimizer has taken a step."""


class LeanSteps:
    """Train on the minibatches of a chunk, all but the last.

    Args:
        trainer: the trainer whose progress is updated.
        data: what is trained on, which says how large the minibatches of an epoch are.
        steps: minibatches a chunk, > 1; a multiple of `accumulated`, so that a chunk ends with an optimizer step.
        accumulated: minibatches whose gradients one optimizer step takes, > 0.

    Attributes:
        holds_gradients: whether the minibatch that was handed on adds to gradients of those before it.
    """

    def __init__(self, trainer: Trainer, data: InMemoryData, *, steps: int, accumulated: int = 1) -> None:
        self._trainer = trainer
        self._data = data
        self._steps = steps
        self.accumulated = accumulated
        self.holds_gradients = False
        self._finite = [each for each in trainer.callbacks if isinstance(each, FiniteLoss)]  # type: ignore[attr-defined]
        bounds = [-(-data.batches_at(0) // accumulated) * (trainer.max_epochs or -1), trainer.max_steps]
        self.total_steps: int | None = min((bound for bound in bounds if bound > 0), default=None)

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        """Return None: a copy of the task, such as an average of its weights, has no trainer to take steps for."""

    def all_but_last(self, task: Learner, chunk: Batch | MixedBatch) -> Batch | MixedBatch:
        """Take an optimizer step on each minibatch of a chunk but the last; return that one."""
        size = self._data.batch_size_at(self._trainer.current_epoch)
        minibatches = in_minibatches(chunk, size)[: self._steps_left()]
        loop = self._trainer.fit_loop.epoch_loop
        progress = loop.automatic_optimization.optim_progress.optimizer
        optimizer = self._trainer.strategy.optimizers[0]
        clear, update = _clearing(optimizer), direct_update(optimizer)
        with self._as_precise_as_lightning():
            for number, minibatch in enumerate(minibatches[:-1], start=1):
                if (number - 1) % self.accumulated == 0:
                    begin = clear
                loss = self._learn(task, begin, minibatch)
                begin = _nothing
                if number % self.accumulated == 0:
                    self._step(task, optimizer, update)
                    _count_on(progress.step.total, progress.step.current)  # `global_step`, which callbacks read
                for callback in self._finite:
                    callback.take(self._trainer, loss)
        passed = len(minibatches) - 1
        stepped, pending = divmod(passed, self.accumulated)
        self.holds_gradients = pending > 0
        moved = stepped * len(self._moving)
        advance_logged_step(self._trainer, stepped)
        _count_on(loop.batch_progress.total, by=passed)
        _count_on(progress.zero_grad.total, progress.zero_grad.current, by=stepped)
        _count_on(loop.scheduler_progress.total, loop.scheduler_progress.current, by=moved)
        return minibatches[-1]

    def in_minibatches(self, checkpoint: dict[str, Any]) -> None:
        """Make a checkpoint count minibatches, not chunks: a run with any size of chunk can resume from it."""
        self._set_position(checkpoint, self._data.batches_given)

    def in_chunks(self, checkpoint: dict[str, Any]) -> None:
        """Make a checkpoint count chunks, as the loop does that resumes from it; the loader knows the rest."""
        position = checkpoint["loops"]["fit_loop"][_BATCHES]["current"]["ready"]
        over = position >= self._data.batches_then
        self._set_position(checkpoint, -(-position // self._steps) if over else position // self._steps)

    @staticmethod
    def _set_position(checkpoint: dict[str, Any], position: int) -> None:
        current = checkpoint["loops"]["fit_loop"][_BATCHES]["current"]
        shift = position - current["ready"]  # what lags behind the number that are ready goes on lagging as far
        for name in current:
            current[name] += shift

    def _learn(self, task: Learner, clear: Callable[[], object], minibatch: Batch | MixedBatch) -> Tensor:
        """Add the gradients of a minibatch to those that are there when they were cleared; return its loss."""
        with self._trainer.precision_plugin.train_step_context():
            loss = task.training_loss(minibatch)
        clear()
        torch.autograd.backward(loss if self.accumulated == 1 else loss / self.accumulated)
        return loss.detach()

    def _step(self, task: Learner, optimizer: Optimizer, update: Callable[[], object]) -> None:
        """Take an optimizer step by the gradients that are there."""
        if clip := self._trainer.gradient_clip_val:
            algorithm = GradClipAlgorithmType(self._trainer.gradient_clip_algorithm or "norm")
            self._trainer.precision_plugin.clip_gradients(optimizer, clip, algorithm)
        update()
        task.after_step()
        for scheduler in self._moving:
            scheduler.step()

    @property
    def _moving(self) -> list[LRScheduler]:
        """The schedules that move with every step."""
        configs = self._trainer.lr_scheduler_configs
        return [config.scheduler for config in configs if config.interval == "step"]

    def _as_precise_as_lightning(self) -> torch.autocast:
        """Step out of the autocast that Lightning opened around the chunk: it would keep casts of old weights."""
        return torch.autocast(self._trainer.strategy.root_device.type, enabled=False)

    def _steps_left(self) -> int | None:
        most = self._trainer.max_steps
        return None if most < 0 else max(1, most - self._trainer.global_step)


def engage(
    trainer: Trainer, task: LightningModule, data: LightningDataModule, steps_per_execution: StepsPerExecution
) -> int:
    """Make a trainer take many minibatches a step, if nothing in the run needs to see every batch.

    Args:
        trainer: before its fit.
        task: what it will fit.
        data: what it will fit on.
        steps_per_execution: minibatches a step, > 0, or `auto`: as many as save time and fit into memory.

    Returns:
        The minibatches a step; 1 if a reason was logged why.
    """
    if isinstance(task, SupervisedTask):
        task.lean = None
    if isinstance(data, InMemoryData):
        data.steps_per_execution = 1
    if steps_per_execution == 1:
        return 1
    if reason := next(_reasons(trainer, task, data), None):
        log.info("steps_per_execution=1: %s", reason)
        return 1
    assert isinstance(task, SupervisedTask)
    assert isinstance(data, InMemoryData)
    whole = data.train_dataloader()
    largest = max(data.batch_size_at(epoch) for epoch in (0, max(0, (trainer.max_epochs or 1) - 1)))
    most_bytes = _MOST_STREAMED_BYTES if data.is_streamed else _MOST_BYTES
    batch_bytes = whole.sample_bytes * largest
    steps = _auto(batch_bytes, most_bytes) if steps_per_execution == "auto" else steps_per_execution
    steps = _ending_with(min(steps, whole.batches), whole.batches, trainer.max_steps)
    accumulated = trainer.accumulate_grad_batches
    steps = max(1, steps - steps % accumulated)
    if steps > 1:
        task.lean = LeanSteps(trainer, data, steps=steps, accumulated=accumulated)
        trainer.accumulate_grad_batches = 1  # each chunk ends with a step
        data.steps_per_execution = steps
    log.info("steps_per_execution=%d", steps)
    return steps


def _clearing(optimizer: Optimizer) -> Callable[[], object]:
    """Return what forgets the gradients; torch's own way asks the profiler and the compiler first (0.05 ms)."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad or "zero_grad" in vars(optimizer):
        return optimizer.zero_grad
    parameters = [each for group in optimizer.param_groups for each in group["params"]]

    def clear() -> None:
        for each in parameters:
            each.grad = None

    return clear


def _nothing() -> None:
    """Leave gradients as they are: more are added to them."""


def _count_on(*progress: Any, by: int = 1) -> None:
    for counts in progress:
        for name in vars(counts):
            setattr(counts, name, getattr(counts, name) + by)


def _auto(batch_bytes: int, most_bytes: int) -> int:
    return max(1, min(_MOST_STEPS, most_bytes // max(1, batch_bytes)))


def _ending_with(steps: int, steps_per_epoch: int, max_steps: int) -> int:
    """Return the most minibatches a step, at most `steps`, of which some step ends where the run does.

    A run that ends within an epoch must not seem to end with it: it is not judged there.
    """
    rest = max_steps % steps_per_epoch if max_steps > 0 else 0
    return next(size for size in range(steps, 0, -1) if not rest % size)


def _reasons(trainer: Trainer, task: LightningModule, data: LightningDataModule) -> Iterator[str]:
    """Yield why a run needs every batch by itself."""
    if type(task) is not SupervisedTask:
        yield f"{type(task).__name__} may want to see every batch"
    if not (isinstance(data, InMemoryData) and type(data).train_dataloader is InMemoryData.train_dataloader):
        yield f"{type(data).__name__} makes batches of its own"
    if any(
        is_overridden(hook, data, LightningDataModule)
        for hook in ("on_before_batch_transfer", "on_after_batch_transfer")
    ):
        yield f"{type(data).__name__} works on every batch"
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if hook := _wanted_hook(callback):
            yield f"{type(callback).__name__}.{hook} wants every batch"
        if isinstance(callback, StochasticWeightAveraging):
            yield f"{type(callback).__name__} has batches that take no step"
        if isinstance(callback, GradientAccumulationScheduler):
            yield f"{type(callback).__name__} counts batches"
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        yield f"{type(trainer.strategy).__name__} works on every batch"
    precision = trainer.precision_plugin
    if type(precision) not in (Precision, DoublePrecision, MixedPrecision) or getattr(precision, "scaler", None):
        yield f"{type(precision).__name__} works on every batch"
    if trainer.accumulate_grad_batches != 1 and trainer.max_steps > 0:
        yield "max_steps counts steps, of which accumulate_grad_batches makes fewer than there are batches"
    limit = trainer.limit_train_batches  # 1.0 is an epoch, 1 is a batch
    if getattr(trainer, "overfit_batches", 0) or (limit is not None and (limit != 1.0 or isinstance(limit, int))):
        yield "limit_train_batches and overfit_batches count batches"
    if trainer.max_steps > 0 and isinstance(data, InMemoryData) and data.growth is not None:
        yield "max_steps may end within an epoch, of which none knows how many batches it has"
    if isinstance(task, SupervisedTask) and task.steps_with_closure:
        yield "the optimizer computes the loss of a batch again"
    if validates_within_epochs(trainer):
        yield "val_check_interval counts batches"


def _wanted_hook(callback: Callback) -> str | None:
    if isinstance(callback, _CONTENT_WITH_CHUNKS) or getattr(callback, "takes_chunks", False):
        return None
    if isinstance(callback, LearningRateMonitor):
        return "on_train_batch_start" if callback.logging_interval != "epoch" else None
    return next((hook for hook in _EVERY_BATCH if is_overridden(hook, callback, Callback)), None)
