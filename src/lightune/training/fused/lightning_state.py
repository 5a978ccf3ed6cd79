"""The state of a Lightning trainer that takes no step itself: set from outside as if it had.

A member of a fused group has a trainer of its own, whose callbacks, loggers and checkpoints work as in an ordinary
run. Without that its folder could not be resumed by an ordinary run.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping
from pytorch_lightning.trainer.states import RunningStage, TrainerFn, TrainerStatus
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.types import LRSchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightune.private_api.lightning import (
    Dump,
    call_hooks,
    callback_states,
    dump_checkpoint,
    replace_dump,
    restore_callbacks,
    set_logged_step,
)

__all__ = ["LightningState", "Position"]

Hook = Callable[[Trainer, Any], None]


@dataclass(frozen=True)
class Position:
    """Where a training is.

    Args:
        epochs: epochs that are complete, >= 0.
        steps: optimizer steps taken, >= 0.
        began: whether the next epoch has begun.
        stepped: whether the last step of that epoch was taken.
    """

    epochs: int
    steps: int
    began: bool
    stepped: bool = False


class LightningState:
    """The progress and the hooks of a trainer that others train for.

    Args:
        trainer: before its fit.
        task: that it would fit.
        steps_per_epoch: optimizer steps an epoch, > 0.
        by_step: whether the learning rate moves with every step, else with every epoch.
    """

    def __init__(self, trainer: Trainer, task: LightningModule, *, steps_per_epoch: int, by_step: bool) -> None:
        self.trainer, self._task = trainer, task
        self._steps_per_epoch, self._by_step = steps_per_epoch, by_step
        self._dump: Dump = partial(dump_checkpoint, trainer)
        self.position = Position(0, 0, began=False)

    def connect(self, optimizer: Optimizer, scheduler: LRScheduler) -> None:
        """Give the trainer what an ordinary fit has when its first epoch begins."""
        trainer, task = self.trainer, self._task
        task.trainer = trainer
        trainer.strategy.connect(task)
        trainer.strategy.model = task
        trainer.strategy.optimizers = [optimizer]
        interval = "step" if self._by_step else "epoch"
        trainer.strategy.lr_scheduler_configs = [LRSchedulerConfig(scheduler, name="train/lr", interval=interval)]
        trainer.state.fn, trainer.state.status = TrainerFn.FITTING, TrainerStatus.RUNNING
        trainer.state.stage = RunningStage.TRAINING

    def begin(self, content: dict[str, Any] | None, restored: Callable[[], object] = lambda: None) -> None:
        """Call the hooks from the setup to the start of training.

        Args:
            content: of the checkpoint that training is resumed from; None to train from scratch.
            restored: called when the callbacks have their states of the checkpoint.
        """
        trainer = self.trainer
        call_hooks(trainer, "setup", stage="fit")
        if content is not None:
            restore_callbacks(trainer, content)
            restored()
        call_hooks(trainer, "on_fit_start")
        call_hooks(trainer, "on_train_start")

    def end(self) -> None:
        """Call the hooks of the end of training."""
        call_hooks(self.trainer, "on_train_end")

    def hooks(self, name: str, *, monitoring: bool | None = None, without: type[Callback]) -> list[Hook]:
        """Return a hook's implementations in Lightning's order.

        Args:
            name: of the hook.
            monitoring: whether of the callbacks that judge an epoch, or of the others; by default of all.
            without: a class of callbacks whose hooks are left out.
        """
        chosen: list[Hook] = []
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            monitors = isinstance(callback, Checkpoint | EarlyStopping)
            if isinstance(callback, without) or (monitoring is not None and monitors != monitoring):
                continue
            if is_overridden(name, callback, Callback):
                chosen.append(getattr(callback, name))
        return chosen

    def dump_through(self, prepare: Callable[[], object], clear: Callable[[], object]) -> None:
        """Let the trainer's checkpoints be made between two calls.

        Args:
            prepare: puts the weights and the optimizer's state in their places.
            clear: frees them.
        """

        def wrap(dump: Dump) -> Dump:
            def dump_prepared(*given: Any, **how: Any) -> dict[str, Any]:
                prepare()
                content = dump(*given, **how)
                clear()
                return content

            return dump_prepared

        self._dump = partial(replace_dump(self.trainer, wrap), weights_only=False)

    def dump(self) -> dict[str, Any]:
        """Return the content of a checkpoint as things stand."""
        return self._dump()

    def callback_states(self) -> dict[str, dict[str, Any]]:
        """Return a copy of what a checkpoint keeps of the callbacks."""
        return copy.deepcopy(callback_states(self.trainer))

    def move_to(self, position: Position) -> None:
        """Set all counts of the trainer to those of a position."""
        self.position, trainer = position, self.trainer
        epoch, began, stepped = position.epochs, position.began, position.stepped
        counts = trainer.fit_loop.epoch_progress
        stage = {"ready": epoch + began, "started": epoch + (began and stepped), "processed": epoch + stepped}
        for progress in (counts.total, counts.current):
            for name, number in {**stage, "completed": epoch}.items():
                setattr(progress, name, number)
        self.count_steps(position.steps)
        done = epoch + stepped
        moved = trainer.fit_loop.epoch_loop.scheduler_progress
        moves, of_epoch = (position.steps, self._steps_per_epoch) if self._by_step else (done, 1)
        moved.total.ready = moved.total.completed = moves
        moved.current.ready = moved.current.completed = min(of_epoch, moves)

    def count_steps(self, steps: int) -> None:
        """Set the counts of optimizer steps, and of batches in the epoch.

        Args:
            steps: of the whole training, >= 0.
        """
        loop = self.trainer.fit_loop.epoch_loop
        set_logged_step(self.trainer, steps)
        optimizer = loop.automatic_optimization.optim_progress.optimizer
        of_epoch = self._steps_per_epoch if steps else 0
        loop.batch_progress.is_last_batch = steps > 0
        for progress in (loop.batch_progress, optimizer.step, optimizer.zero_grad):
            for counts, number in ((progress.total, steps), (progress.current, of_epoch)):
                for name in vars(counts):
                    setattr(counts, name, number)

    def log_at(self, step: int) -> None:
        """Set the step that logged figures are drawn over."""
        set_logged_step(self.trainer, step)
