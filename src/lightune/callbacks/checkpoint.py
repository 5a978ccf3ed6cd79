"""The checkpoints that a run keeps: its best epoch and its last."""

import time
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from lightune.callbacks.best import Best, Mode
from lightune.ranges import NonNegativeFloat


class BestAndLast(Checkpoint):
    """Write `checkpoints/best.ckpt` and `checkpoints/last.ckpt` in the run's folder.

    `best.ckpt` is written whenever the monitored metric is better than ever. `last.ckpt` is written after the
    first epoch, then as often as `every_seconds` says, and at the end: saving must not rule small trainings.

    Args:
        monitor: name of the metric, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
        every_seconds: least time between two writings of `last.ckpt`, >= 0.
    """

    def __init__(
        self, monitor: str = "val/accuracy", mode: Mode = "max", every_seconds: NonNegativeFloat = 10.0
    ) -> None:
        super().__init__()
        self.best = Best(monitor, mode)
        self.every_seconds = every_seconds
        self._last_saved = -float("inf")

    @staticmethod
    def folder(trainer: Trainer) -> Path:
        """Return the folder of the checkpoints of a run."""
        return Path(trainer.default_root_dir) / "checkpoints"

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what this epoch calls for."""
        if self.best.judge(trainer):
            trainer.save_checkpoint(self.folder(trainer) / "best.ckpt")
        if time.monotonic() - self._last_saved >= self.every_seconds:
            self._save_last(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end, after the last move of the schedulers."""
        self._save_last(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far, as plain values."""
        return {"value": self.best.value, "epoch": self.best.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best so far."""
        self.best.value, self.best.epoch = state_dict["value"], state_dict["epoch"]

    def _save_last(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.folder(trainer) / "last.ckpt")
        self._last_saved = time.monotonic()
