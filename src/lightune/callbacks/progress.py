"""How far a run is: one bar on a terminal, one line in a notebook, plain lines elsewhere."""

import logging
import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from lightune.callbacks.best import Best, Mode
from lightune.runtime.notebook_line import NotebookLine
from lightune.runtime.signals import drop_output
from lightune.wording import duration

log = logging.getLogger("lightune")

_REFRESH = 1.0  # seconds between two looks within an epoch
_LONG_EPOCH = 60.0  # seconds without a line, where there is no bar
_WORTH_SAYING = 10.0  # seconds that are left
_FIGURES = 52  # columns that the figures take
_WIDE = 80  # columns, from which on there is room for the time left
_LEAST_BAR, _MOST_BAR = 5, 40


class Progress(Callback):
    """Show each epoch's loss, the monitored metric, and its best so far, how far an epoch is, and the time left.

    Args:
        metric: the monitored metric, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
        console: where to show it; a bar if that is a terminal, a line that changes in a notebook, else a line now
            and then.
        label: what is trained, where a run trains several, e.g. `fit 2/5`.
        seconds_between_lines: least time between two lines where there is no bar.
        best: the best so far, where another callback judges it and restores it when a training is resumed.
    """

    def __init__(
        self,
        metric: str,
        mode: Mode,
        console: Console,
        label: str = "",
        *,
        seconds_between_lines: float = 5.0,
        best: Best | None = None,
    ) -> None:
        super().__init__()
        self._seconds_between_lines = seconds_between_lines
        self._prefix = f"{label}  " if label else ""
        self.best = Best(metric, mode) if best is None else best
        self._judges = best is None
        self._console = console
        self._bar: Bar | None = None
        self._line: NotebookLine | None = None
        self._said = -float("inf")
        self._unsaid = self._last = ""
        self._began = self._looked = 0.0
        self._first_epoch = 0
        self._room = 0  # columns for the figures beside a bar

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar."""
        self._began = self._looked = time.monotonic()
        self._first_epoch = trainer.current_epoch
        if self._console.is_jupyter and trainer.is_global_zero:
            self._line = NotebookLine()
        elif self._console.is_terminal and trainer.is_global_zero:
            named, figures = f"{self._prefix}epoch", TextColumn("{task.fields[figures]}", markup=False)
            times = [TimeElapsedColumn(), *([TimeRemainingColumn()] if self._console.width >= _WIDE else [])]
            room = self._console.width - len(named) - len(f" {trainer.max_epochs}/{trainer.max_epochs} ")
            room -= len("0:00:00 ") * len(times) + 1
            width = max(_LEAST_BAR, min(_MOST_BAR, room - _FIGURES))
            self._room = room - width - 1
            self._bar = Bar(named, MofNCompleteColumn(), BarColumn(width), *times, figures, console=self._console)
            self._bar.start()
            self._bar.add_task("", total=trainer.max_epochs, completed=trainer.current_epoch, figures="")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show how far a long epoch is."""
        now = time.monotonic()
        if now - self._looked < _REFRESH:
            return
        self._looked = now
        batches = trainer.num_training_batches
        share = min(1.0, (batch_idx + 1) / batches) if batches and batches != float("inf") else 0.0
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=trainer.current_epoch + share)
        elif trainer.is_global_zero and share < 1.0:
            within = f"{self._prefix}epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {share:.0%} of it"
            if self._line is not None:
                self._line.show(f"{within}  {self._last}{self._left(trainer, share)}".rstrip())
            elif now - max(self._said, self._began) > _LONG_EPOCH:
                self._unsaid = f"{within}{self._left(trainer, share)}"
                self._say()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the bar, or print a line if the last one is a while ago."""
        if self._judges:
            self.best.judge(trainer)
        self._last = figures = self._figures(trainer)
        line = f"{self._prefix}epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {figures}"
        log.info(line)
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=trainer.current_epoch + 1,
                figures=self._figures(trainer, self._room),
            )
        elif trainer.is_global_zero:
            self._unsaid = f"{line}{self._left(trainer, 1.0)}"
            if self._line is not None:
                self._line.show(self._unsaid)
            elif time.monotonic() - self._said > self._seconds_between_lines:
                self._say()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fill the bar, stopped early or not, and restore the terminal."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=trainer.current_epoch)
        self._stop()
        self._say()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the terminal before anything else is printed."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _say(self) -> None:
        if not self._unsaid:
            return
        if self._line is not None:
            self._line.show(self._unsaid, last=True)
        else:
            try:
                self._console.print(self._unsaid, highlight=False, markup=False, soft_wrap=True)
            except OSError:
                if not drop_output():
                    raise
        self._said, self._unsaid = time.monotonic(), ""

    def _left(self, trainer: Trainer, share: float) -> str:
        """Return how long the epochs that are left may take; nothing where that is not known, or soon over."""
        done = trainer.current_epoch - self._first_epoch + share
        total = trainer.max_epochs
        if total is None or total < 0 or done <= 0:
            return ""
        left = (time.monotonic() - self._began) / done * (total - trainer.current_epoch - share)
        return f"  about {duration(left)} left" if left >= _WORTH_SAYING else ""

    def _figures(self, trainer: Trainer, room: int | None = None) -> str:
        """Return the figures of an epoch; where they have little room, without those that say least."""
        shown = {name: trainer.callback_metrics.get(name) for name in ("train/loss", self.best.metric)}
        parts = {name: f"{name} {float(value):.4g}" for name, value in shown.items() if value is not None}
        if self.best.value is not None:
            parts["best"] = f"best {self.best.value:.4g}"
        for name in ("train/loss", "best"):
            if room is not None and len("  ".join(parts.values())) > room:
                parts.pop(name, None)
        return "  ".join(parts.values())
