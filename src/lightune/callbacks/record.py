"""What a run was: its best epoch, its measures there, and where its time went."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lightune.callbacks.best import Best, Mode


def measures(trainer: Trainer) -> dict[str, float]:
    """Return what is measured at this moment: `stage/metric` → value, without the learning rate."""
    shown = trainer.callback_metrics.items()
    return {name: float(value) for name, value in shown if not name.startswith("train/lr")}


class Record(Callback):
    """Keep the figures that the result of a run is made of.

    Args:
        metric: the metric that judges epochs, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
    """

    def __init__(self, metric: str, mode: Mode) -> None:
        super().__init__()
        self.best = Best(metric, mode)
        self.metrics: dict[str, float] = {}
        self.epochs = 0
        self.train_seconds = 0.0
        self.validate_seconds = 0.0
        self.test_seconds = 0.0
        self._counted = 0
        self._first: tuple[int, float] | None = None
        self._epoch_began = 0.0
        self._validated = 0.0
        self._phase_began = 0.0

    @property
    def samples_per_second(self) -> float | None:
        """Training samples over training time, without validation and, where there are more, the first epoch."""
        samples, seconds = self._counted, self.train_seconds
        if self._first is not None and self.epochs > 1:
            samples, seconds = samples - self._first[0], seconds - self._first[1]
        return samples / seconds if seconds > 0 and samples else None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of an epoch."""
        self._epoch_began, self._validated = time.perf_counter(), 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the samples of a batch."""
        first = batch[0] if isinstance(batch, tuple | list) and batch else batch
        if hasattr(first, "__len__"):
            self._counted += len(first)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of a validation."""
        self._phase_began = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of a validation."""
        self._validated += time.perf_counter() - self._phase_began

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the epoch, and note its figures if it is the best."""
        self.epochs = trainer.current_epoch + 1
        self.train_seconds += time.perf_counter() - self._epoch_began - self._validated
        self.validate_seconds += self._validated
        if self._first is None:
            self._first = (self._counted, self.train_seconds)
        if self.best.judge(trainer):
            self.metrics = measures(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of the test."""
        self._phase_began = time.perf_counter()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of the test."""
        self.test_seconds += time.perf_counter() - self._phase_began
