"""The checkpoints that a run keeps: its best epoch and its last state."""

import copy
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from lightune.callbacks.agreement import any_process, may_pause, weights_are_finite
from lightune.callbacks.best import Best, Mode
from lightune.ranges import NonNegativeFloat

log = logging.getLogger(__name__)


class BestAndLast(Checkpoint):
    """Write `checkpoints/best.ckpt` and `checkpoints/last.ckpt` in the run's folder.

    `best.ckpt` is written when the monitored metric is better than ever; within a second of the writing before it
    waits in memory for that second to pass, or for the end. `last.ckpt` is written after the first epoch, then as
    often as `every_seconds` says, in the middle of an epoch too, and at the end: saving must not rule small
    trainings. Weights that are not finite are never written.

    Both are written between two steps, when schedulers have moved and nothing is pending: a run that goes on from
    either does what it would have done.

    Args:
        monitor: name of the metric, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
        every_seconds: least time between two writings of `last.ckpt`, >= 0; with 0 both are written after every
            epoch that calls for it.

    Attributes:
        hold: set where many networks are trained at once. It takes what a checkpoint of this moment needs and
            returns what makes it, later: `best.ckpt` is then written with `last.ckpt`, and that for the first time
            when `every_seconds` have passed.
        pause: set there, too: least seconds between two writings, as these take long; not if `every_seconds` is 0.
        best_waits: seconds that an improved best waits in memory after a writing, >= 0.
    """

    def __init__(
        self, monitor: str = "val/accuracy", mode: Mode = "max", every_seconds: NonNegativeFloat = 10.0
    ) -> None:
        super().__init__()
        self.best = Best(monitor, mode)
        self.every_seconds = every_seconds
        self.hold: Callable[[], Callable[[], dict[str, Any]]] | None = None
        self.pause = 0.0
        self.best_waits = 1.0
        self._kept: Callable[[], dict[str, Any]] | None = None
        self._improved = False
        self._saved_at = self._best_at = -float("inf")
        self._saved_step = -1

    @staticmethod
    def folder(trainer: Trainer) -> Path:
        """Return the folder of the checkpoints of a run."""
        return Path(trainer.default_root_dir) / "checkpoints"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delay the first writing where many networks are trained at once."""
        if self.hold is not None:
            self._saved_at = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the epoch; it is saved when its schedulers have moved."""
        self._improved = any_process(trainer, self.best.judge(trainer))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what the epoch before asked for."""
        if self._epoch_is_over(trainer):
            self._save_epoch(trainer, due=self._is_due(trainer))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save in the middle of a long epoch, where no gradient is pending."""
        first = self._saved_step < 0
        if not first and may_pause(trainer, batch_idx) and self._is_due(trainer):
            self.save_now(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end unless it is saved already."""
        self._save_epoch(trainer, due=self._saved_step != trainer.global_step)
        self.write_kept(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write what waits: the best of a training that failed is as good as any."""
        if self.hold is None:
            try:
                self.write_kept(trainer)
            except OSError as error:
                log.warning("best.ckpt could not be written: %s", error)

    def save_now(self, trainer: Trainer) -> None:
        """Write what is pending, and `last.ckpt` as things stand."""
        self._save_epoch(trainer, due=True)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Count an epoch that has taken no step as not begun: Lightning would take it for one that is over."""
        epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        if epochs["current"]["started"] < epochs["current"]["ready"]:
            for progress in epochs.values():
                progress["ready"] = progress["started"]

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far, as plain values."""
        return {"value": self.best.value, "epoch": self.best.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from the best so far."""
        self.best.value, self.best.epoch = state_dict["value"], state_dict["epoch"]
        self._saved_at, self._saved_step = time.monotonic(), 0

    def _epoch_is_over(self, trainer: Trainer) -> bool:
        return trainer.current_epoch > 0 and trainer.global_step != self._saved_step

    def _is_due(self, trainer: Trainer) -> bool:
        least = max(self.every_seconds, self.pause) if self.every_seconds else 0.0
        return any_process(trainer, time.monotonic() - self._saved_at >= least)

    def _save_epoch(self, trainer: Trainer, *, due: bool) -> None:
        waits = not due and self._may_wait(trainer)
        improved, self._improved = self._improved and weights_are_finite(trainer, trainer.lightning_module), False
        if improved and waits:
            self._kept = self._copy_of(trainer) if self.hold is None else self.hold()
        elif improved:
            self._save(trainer, "best")
            self._kept, self._best_at = None, time.monotonic()
        elif not waits:
            self.write_kept(trainer)
        if due and weights_are_finite(trainer, trainer.lightning_module):
            self._save(trainer, "last")
        if due:
            self._saved_at = time.monotonic()
            self._saved_step = trainer.global_step

    def write_kept(self, trainer: Trainer) -> None:
        """Write `best.ckpt` if it is only kept so far."""
        if self._kept is not None:
            trainer.strategy.save_checkpoint(self._kept(), self.folder(trainer) / "best.ckpt")
            self._kept, self._best_at = None, time.monotonic()
            _flush(trainer)

    def _may_wait(self, trainer: Trainer) -> bool:
        """Return True if `best.ckpt` is written later."""
        if self.hold is not None:
            return True
        alone = bool(self.every_seconds) and trainer.world_size == 1
        return alone and time.monotonic() - self._best_at < self.best_waits

    @staticmethod
    def _copy_of(trainer: Trainer) -> Callable[[], dict[str, Any]]:
        content = _copied(trainer._checkpoint_connector.dump_checkpoint(weights_only=False))
        return lambda: content

    def _save(self, trainer: Trainer, name: str) -> None:
        trainer.save_checkpoint(self.folder(trainer) / f"{name}.ckpt")
        _flush(trainer)


def _flush(trainer: Trainer) -> None:
    """Flush the loggers, so that the curves on disk reach as far as the checkpoint does."""
    for logger in trainer.loggers:
        getattr(logger, "flush", lambda: None)()


def _copied(value: Any) -> Any:
    """Return nested values with tensors of their own, in main memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        own = copy.copy(value)  # a state dict has more to it than its items
        for key, each in value.items():
            own[key] = _copied(each)  # `update` would add up the counts of a Counter
        return own
    return type(value)(map(_copied, value)) if type(value) in (list, tuple) else copy.deepcopy(value)
