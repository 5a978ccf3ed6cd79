"""The checkpoints that a run keeps: its best epoch and its last state."""

import copy
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from lightune.callbacks.agreement import any_process, ends_within_epoch, may_pause, weights_are_finite
from lightune.callbacks.best import Best, Mode
from lightune.callbacks.measured import MeasuredWeights
from lightune.checkpoints import DESCRIBED, as_measured, weights_only
from lightune.private_api.lightning import dump_checkpoint
from lightune.ranges import NonNegativeFloat

log = logging.getLogger(__name__)


class BestAndLast(Checkpoint):
    """Write `checkpoints/best.ckpt` and `checkpoints/last.ckpt` in the run's folder.

    `best.ckpt` is written when the monitored metric is better than ever, with the weights that gave the figure;
    within a second of the writing before it waits in memory for that second to pass, or for the end. `last.ckpt`
    is written after the first epoch, then as often as `every_seconds` says, in the middle of an epoch too, and at
    the end: saving must not rule small trainings. Weights that are not finite are never written.

    Both are written between two steps, when schedulers have moved and nothing is pending: a run that goes on from
    either does what it would have done.

    Args:
        monitor: name of the metric, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
        every_seconds: least time between two writings of `last.ckpt`, >= 0; with 0 both are written after every
            epoch that calls for it.
        keep: which of the two a finished run keeps. While it trains both are there, as it is resumed from
            `last.ckpt` and tested from `best.ckpt`. Without `last.ckpt` it is made longer from its best epoch;
            without both it cannot be made longer, measured again or used.

    Attributes:
        snapshot: set where many networks are trained at once. It takes what a checkpoint of this moment needs and
            returns what makes it, later: `best.ckpt` is then written with `last.ckpt`, and that for the first time
            when `every_seconds` have passed.
        pause: set there, too: least seconds between two writings, as these take long; not if `every_seconds` is 0.
        best_waits: seconds that an improved best waits in memory after a writing, >= 0.
        goes_on_from: the checkpoint that the training is resumed from; None from scratch. Where that is
            `last.ckpt`, it is written again when there is more to save, and not before.
    """

    def __init__(
        self,
        monitor: str = "val/accuracy",
        mode: Mode = "max",
        every_seconds: NonNegativeFloat = 10.0,
        keep: Literal["both", "best", "none"] = "both",
    ) -> None:
        super().__init__()
        self.best = Best(monitor, mode)
        self.every_seconds = every_seconds
        self.keep = keep
        self.snapshot: Callable[[], Callable[[], dict[str, Any]]] | None = None
        self.pause = 0.0
        self.best_waits = 1.0
        self.goes_on_from: Path | None = None
        self._kept: Callable[[], dict[str, Any]] | None = None
        self._measured = MeasuredWeights()
        self._improved = False
        self._improved_weights: dict[str, Tensor] | None = None  # None: those that the network has now
        self._saved_at = self._best_at = -float("inf")
        self._was_saved = self._ended = False
        self._is_unsaved = False  # not by counts of steps: an optimizer may step by itself

    @staticmethod
    def folder(trainer: Trainer) -> Path:
        """Return the folder of the checkpoints of a run."""
        return Path(trainer.default_root_dir) / "checkpoints"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Be told which weights are measured before any other callback puts back others."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if stage == "fit" and self._measured not in callbacks:
            trainer.callbacks = [self._measured, *callbacks]  # type: ignore[attr-defined]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delay the first writing where many networks are trained at once."""
        if self.snapshot is not None:
            self._saved_at = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge what was measured, which may be in the middle of an epoch; it is saved between two steps."""
        if not trainer.sanity_checking:
            self._judge(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the epoch; it is saved when its schedulers have moved."""
        self._is_unsaved = True
        self._judge(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what the epoch before asked for."""
        if trainer.current_epoch > 0 and self._is_unsaved:
            self._save_epoch(trainer, due=self._is_due(trainer))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save in the middle of a long epoch, where no gradient is pending."""
        self._is_unsaved = True
        if may_pause(trainer, batch_idx):
            due = self._was_saved and self._is_due(trainer)
            if due or self._improved:
                self._save_epoch(trainer, due=due)
        if ends_within_epoch(trainer):
            self._save_epoch(trainer, due=True)
            self._ended = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end unless it is saved: an end within an epoch is lengthened from before that was closed."""
        self._save_epoch(trainer, due=self._is_unsaved and not self._ended)
        self.write_kept(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write what waits: the best of a training that failed is as good as any."""
        if self.snapshot is None:
            try:
                alone = trainer.world_size == 1  # other processes may not come to save
                if self._improved and alone and self._best_is_finite(trainer):
                    self._kept = lambda: weights_only(self._content(trainer))
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
        self._saved_at, self._was_saved = time.monotonic(), True
        self._is_unsaved = self.goes_on_from is None or self.goes_on_from.name != "last.ckpt"

    def _judge(self, trainer: Trainer) -> None:
        if any_process(trainer, self.best.judge(trainer)):
            self._improved, self._improved_weights = True, self._measured.weights

    def _best_is_finite(self, trainer: Trainer) -> bool:
        """Return True if the weights that gave the figure are finite; those of now may be others."""
        copied, module = self._improved_weights, trainer.lightning_module
        return weights_are_finite(trainer, module.parameters() if copied is None else copied.values())

    def _is_due(self, trainer: Trainer) -> bool:
        least = max(self.every_seconds, self.pause) if self.every_seconds else 0.0
        return any_process(trainer, time.monotonic() - self._saved_at >= least)

    def _save_epoch(self, trainer: Trainer, *, due: bool) -> None:
        waits = not due and self._may_wait(trainer)
        improved, self._improved = self._improved and self._best_is_finite(trainer), False
        if improved and waits:
            self._kept = self._copy_of(trainer) if self.snapshot is None else self.snapshot()
        elif improved:
            self._save(trainer, "best")
            self._kept, self._best_at = None, time.monotonic()
        elif not waits:
            self.write_kept(trainer)
        if due and weights_are_finite(trainer, trainer.lightning_module.parameters()):
            self._save(trainer, "last")
        if due:
            self._saved_at = time.monotonic()
            self._was_saved, self._is_unsaved = True, False

    def write_kept(self, trainer: Trainer) -> None:
        """Write `best.ckpt` if it is only kept so far."""
        if self._kept is not None:
            trainer.strategy.save_checkpoint(self._kept(), self.folder(trainer) / "best.ckpt")
            self._kept, self._best_at = None, time.monotonic()
            _flush(trainer)

    def _may_wait(self, trainer: Trainer) -> bool:
        """Return True if `best.ckpt` is written later."""
        if self.snapshot is not None:
            return True
        alone = bool(self.every_seconds) and trainer.world_size == 1
        return alone and time.monotonic() - self._best_at < self.best_waits

    def _copy_of(self, trainer: Trainer) -> Callable[[], dict[str, Any]]:
        content = self._content(trainer)
        fixed = {key: content.pop(key) for key in (DESCRIBED,) if key in content}  # a whole vocabulary, of texts
        content = {**_copied(content), **fixed}
        return lambda: content

    def _content(self, trainer: Trainer) -> dict[str, Any]:
        """Return a checkpoint of now whose weights are those that gave the best figure."""
        weights, self._improved_weights = self._improved_weights, None
        return as_measured(dump_checkpoint(trainer), weights)

    def _save(self, trainer: Trainer, name: str) -> None:
        content = self._content(trainer) if name == "best" else dump_checkpoint(trainer)
        trainer.strategy.save_checkpoint(content, self.folder(trainer) / f"{name}.ckpt")
        trainer.strategy.barrier()
        _flush(trainer)


def _flush(trainer: Trainer) -> None:
    """Flush the loggers, so that the curves on disk reach as far as the checkpoint does."""
    for logger in trainer.loggers:
        getattr(logger, "flush", lambda: None)()


_UNCHANGING = frozenset((bool, int, float, str, bytes, type(None)))


def _copied(value: Any) -> Any:
    """Return nested values with tensors of their own, in main memory."""
    if type(value) in _UNCHANGING:  # most of what there is: states of random numbers
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        own = copy.copy(value)  # a state dict has more to it than its items
        for key, each in value.items():
            own[key] = _copied(each)  # `update` would add up the counts of a Counter
        return own
    return type(value)(map(_copied, value)) if type(value) in (list, tuple) else copy.deepcopy(value)
