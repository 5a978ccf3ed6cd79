"""What a run was: its best epoch, its measures there, and where its time went."""

import time
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import LearningRateMonitor

from lightune.callbacks.best import Best, Mode
from lightune.private_api.lightning import logged_step

Curves = dict[str, list[float | None]]

_KEPT = ("metrics", "curves", "epochs", "setup_seconds", "train_seconds", "validate_seconds", "_counted", "_first")


def measures(trainer: Trainer) -> dict[str, float]:
    """Return what is measured at this moment: `stage/metric` → value, without the learning rate."""
    shown = trainer.callback_metrics.items()
    return {name: float(value) for name, value in shown if not name.startswith("train/lr")}


def _rates(trainer: Trainer) -> dict[str, float]:
    """Return the learning rate of the epoch, if it is monitored: of one resumed in its middle nobody logs it."""
    if not any(isinstance(callback, LearningRateMonitor) for callback in trainer.callbacks):  # type: ignore[attr-defined]
        return {}
    groups = {str(each.name): each.scheduler.optimizer.param_groups for each in trainer.lr_scheduler_configs}
    rates: dict[str, float] = {}
    for name, group in groups.items():
        names = [name] if len(group) == 1 else [f"{name}/pg{number}" for number in range(1, len(group) + 1)]
        rates |= {each: torch.tensor(own["lr"]).item() for each, own in zip(names, group, strict=True)}
    return rates


class Record(Callback):
    """Keep the figures that the result of a run is made of.

    Args:
        metric: the metric that judges epochs, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
        clock: returns seconds; by default on the wall.

    Attributes:
        curves: tag → what was measured in each epoch, None where it was not; `step` counts from 0.
    """

    def __init__(
        self,
        metric: str,
        mode: Mode,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self.clock = clock
        self.curves: Curves = {}
        self.best = Best(metric, mode)
        self.metrics: dict[str, float] = {}
        self.epochs = 0
        self.setup_seconds = 0.0
        self.train_seconds = 0.0
        self.validate_seconds = 0.0
        self.test_seconds = 0.0
        self._counted = 0
        self._first: tuple[int, float] | None = None
        self._epoch_began = 0.0
        self._validated = 0.0
        self._phase_began = 0.0
        self._is_best = False  # what the last validation of the epoch measured
        self._was_validated = False  # in the epoch under way

    def count_samples(self, samples: int, *, first: bool) -> None:
        """Set how many training samples there were, for a training whose steps are taken elsewhere.

        Args:
            samples: of all epochs so far, > 0.
            first: whether these are the samples of the first epoch.
        """
        self._counted = samples
        if self._first is None or first:
            self._first = (samples, self.train_seconds)

    @property
    def samples_per_second(self) -> float | None:
        """Training samples over training time, without validation and, where there are more, the first epoch."""
        samples, seconds = self._counted, self.train_seconds
        if self._first is not None and self.epochs > 1:
            samples, seconds = samples - self._first[0], seconds - self._first[1]
        return samples / seconds if seconds > 0 and samples else None

    def state_dict(self) -> dict[str, Any]:
        """Return the figures so far, as plain values."""
        kept = {name: getattr(self, name) for name in _KEPT}
        kept["train_seconds"] += self._unfinished_seconds()
        kept["curves"] = {tag: list(values) for tag, values in self.curves.items()}
        return {**kept, "best": [self.best.value, self.best.epoch]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from the figures of the part of the run that came before."""
        setup_seconds = self.setup_seconds
        for name in _KEPT:
            setattr(self, name, state_dict.get(name, getattr(self, name)))  # one of before may lack it
        self.setup_seconds += setup_seconds
        self.best.value, self.best.epoch = state_dict["best"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of a training, which may resume in the middle of an epoch."""
        self._epoch_began, self._validated = self.clock(), 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of an epoch."""
        self._epoch_began, self._validated = self.clock(), 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the samples of a batch."""
        first = batch[0] if isinstance(batch, tuple | list) and batch else batch
        if hasattr(first, "__len__"):
            self._counted += len(first)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of a validation."""
        self._phase_began = self.clock()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of a validation."""
        self._validated += self.clock() - self._phase_began
        if not trainer.sanity_checking:
            self._was_validated = True
            self._judge(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the figures of the epoch, those of its training among them, if its last validation was the best."""
        self.epochs = trainer.current_epoch + 1
        self.train_seconds += self._unfinished_seconds()
        self.validate_seconds += self._validated
        self._epoch_began, self._validated = self.clock(), 0.0
        if self._first is None:
            self._first = (self._counted, self.train_seconds)
        self._add_to_curves(trainer)
        was_best = self._is_best
        if self._judge(trainer) or was_best:
            self.metrics = measures(trainer)
        self._is_best = False

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of the test."""
        self._phase_began = self.clock()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of the test."""
        self.test_seconds += self.clock() - self._phase_began

    def _add_to_curves(self, trainer: Trainer) -> None:
        fresh, self._was_validated = self._was_validated, False
        shown = trainer.callback_metrics.items()
        measured = {tag: float(value) for tag, value in shown if fresh or not tag.startswith("val/")}
        measured = {**_rates(trainer), **measured}
        epochs = len(self.curves.get("step", ()))
        for tag in dict.fromkeys(["step", *self.curves, *measured]):
            curve = self.curves.setdefault(tag, [None] * epochs)
            curve += [None] * (epochs - len(curve))  # an earlier version left out what was not measured
            curve.append(logged_step(trainer) - 1 if tag == "step" else measured.get(tag))

    def _judge(self, trainer: Trainer) -> bool:
        self._is_best = self.best.judge(trainer)
        if self._is_best:
            self.metrics = measures(trainer)
        return self._is_best

    def _unfinished_seconds(self) -> float:
        return self.clock() - self._epoch_began - self._validated
