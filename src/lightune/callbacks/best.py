"""The best value of a metric so far, judged whenever it was measured."""

import math
from dataclasses import dataclass
from typing import Literal

from pytorch_lightning import Trainer

Mode = Literal["min", "max"]


@dataclass
class Best:
    """Keep the best value that a metric has had, and the epoch it had it in.

    Args:
        metric: name of the metric, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
    """

    metric: str
    mode: Mode
    value: float | None = None
    epoch: int | None = None

    def judge(self, trainer: Trainer) -> bool:
        """Judge what was measured last; return True if it is the best so far. A tie is not, nor is NaN."""
        current = trainer.callback_metrics.get(self.metric)
        if current is None or not self._is_fresh(trainer) or not math.isfinite(value := float(current)):
            return False
        if self.value is not None and not (value > self.value if self.mode == "max" else value < self.value):
            return False
        self.value, self.epoch = value, trainer.current_epoch
        return True

    def _is_fresh(self, trainer: Trainer) -> bool:
        if self.metric.startswith("train/") and trainer.validating:
            return False  # the epoch is not over
        every = trainer.check_val_every_n_epoch or 1
        return not self.metric.startswith("val/") or (trainer.current_epoch + 1) % every == 0
