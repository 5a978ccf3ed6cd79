"""PyTorch Lightning's private names that lightune needs.

Lightning has no public way to set a trainer's progress, to call its hooks, or to make a checkpoint's content
without a file. The lean loop takes many optimizer steps in one of Lightning's; a member of a fused group has a
trainer that takes no step itself; both must leave what an ordinary run leaves.
"""

import functools
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning_fabric.utilities import registry
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.trainer import call
from torch import Tensor

__all__ = [
    "advance_logged_step",
    "begin_next_epoch",
    "call_hooks",
    "callback_states",
    "dump_checkpoint",
    "installed_packages_read_once",
    "log_measures",
    "logged_step",
    "replace_dump",
    "restore_callbacks",
    "set_default_root_dir",
    "set_initial_hparams",
    "set_logged_step",
    "trainer_of",
]

Dump = Callable[..., dict[str, Any]]


def set_logged_step(trainer: Trainer, step: int) -> None:
    """Set the step that figures are drawn over from now on.

    For: tests and members of a group, whose weights were trained elsewhere. Without it: curves begin at 0.

    Args:
        trainer: changed in place.
        step: optimizer steps taken, >= 0.
    """
    trainer.fit_loop.epoch_loop._batches_that_stepped = step


def begin_next_epoch(trainer: Trainer) -> None:
    """Let a training that is resumed between two epochs begin the next one.

    For: trainings with `max_steps`, which Lightning always takes for cut within an epoch. Without it: the first
    epoch after a resume has no batch and no figure.
    """
    loop = trainer.fit_loop
    counts: Any = loop.epoch_progress.current
    if loop.restarting and counts.ready == counts.started == counts.processed:
        loop._restarting = loop.epoch_loop.restarting = False


def logged_step(trainer: Trainer) -> int:
    """Return the step that figures are drawn over next.

    For: trainings whose optimizers Lightning does not count, or counts twice. Without it: their means are drawn
    over other steps than their curves.
    """
    step: int = trainer.fit_loop.epoch_loop._batches_that_stepped
    return step


def advance_logged_step(trainer: Trainer, steps: int) -> None:
    """Count optimizer steps that Lightning has not taken itself.

    For: the lean loop. Without it: curves are drawn over chunks of minibatches, not over minibatches.

    Args:
        trainer: changed in place.
        steps: optimizer steps beside the one that Lightning counts, >= 0.
    """
    trainer.fit_loop.epoch_loop._batches_that_stepped += steps


def dump_checkpoint(trainer: Trainer) -> dict[str, Any]:
    """Return the content of a checkpoint as things stand, without writing it.

    For: a best epoch that waits in memory. Without it: each best epoch is written at once.
    """
    content: dict[str, Any] = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    return content


def replace_dump(trainer: Trainer, wrap: Callable[[Dump], Dump]) -> Dump:
    """Put another function in the place of the one that makes checkpoints' contents; return that one.

    For: members of a group, whose weights lie in a stack. Without it: their checkpoints hold what they began with.

    Args:
        trainer: changed in place.
        wrap: takes the function as it was, and returns the one to call.
    """
    connector = trainer._checkpoint_connector
    before = connector.dump_checkpoint
    connector.dump_checkpoint = wrap(before)  # type: ignore[method-assign]
    return before


def call_hooks(trainer: Trainer, name: str, **arguments: Any) -> None:
    """Call a hook of all callbacks, in Lightning's order.

    For: members of a group. Without it: callbacks do not see the beginning and the end of their training.

    Args:
        trainer: whose callbacks are called with it and its module.
        name: of the hook, e.g. `on_train_start`.
        arguments: the hook's other arguments.
    """
    call._call_callback_hooks(trainer, name, **arguments)


def callback_states(trainer: Trainer) -> dict[str, dict[str, Any]]:
    """Return what a checkpoint keeps of the callbacks.

    For: a member's best epoch that waits in memory. Without it: its checkpoint would hold later states.
    """
    states: dict[str, dict[str, Any]] = call._call_callbacks_state_dict(trainer)
    return states


def restore_callbacks(trainer: Trainer, content: dict[str, Any]) -> None:
    """Give callbacks the states of a checkpoint.

    For: members that are resumed. Without it: early stopping and the best epoch begin anew.

    Args:
        trainer: whose callbacks are changed in place.
        content: of a whole checkpoint, as `dump_checkpoint` returns it.
    """
    call._call_callbacks_on_load_checkpoint(trainer, content)
    call._call_callbacks_load_state_dict(trainer, content)


def log_measures(trainer: Trainer, measures: Mapping[str, Tensor]) -> None:
    """Give the figures of an epoch to the loggers, at the step under way.

    For: epochs of milliseconds: `log_dict` takes as long for six figures as a small network for six steps.

    Args:
        trainer: whose loggers are called.
        measures: tag → scalar tensor.
    """
    trainer._logger_connector.log_metrics(dict(measures))


def trainer_of(module: LightningModule) -> Trainer | None:
    """Return the trainer of a module; None where it has none, for which `LightningModule.trainer` raises.

    For: tasks that are used without a trainer. Without it: an exception is caught at each step.
    """
    trainer: Trainer | None = module._trainer
    return trainer


def set_initial_hparams(part: LightningModule | LightningDataModule, hparams: Any) -> None:
    """Set what loggers are given of a part's `save_hyperparameters`.

    For: values from the environment, which loggers must not write. Without it: secrets stand in event files.
    """
    part._hparams_initial = hparams  # type: ignore[union-attr]


def set_default_root_dir(trainer: Trainer, folder: str) -> None:
    """Move a trainer that was made before its folder was known.

    For: one trainer a fit, which is judged before anything is written. Without it: two are made.
    """
    trainer._default_root_dir = folder  # type: ignore[attr-defined]


@contextmanager
def installed_packages_read_once() -> Iterator[None]:
    """Give the trainers that are made meanwhile the callbacks of installed packages as they were read at first.

    For: a trainer for each member of a fused group. Without it: all installed packages are read again for each,
    which takes longer than the rest of a trainer (2.7 of 5.0 ms, CPU, 2026-11-29).
    """
    before = vars(registry)["entry_points"]
    vars(registry)["entry_points"] = _entry_points
    try:
        yield
    finally:
        vars(registry)["entry_points"] = before


_entry_points = functools.cache(importlib.metadata.entry_points)
