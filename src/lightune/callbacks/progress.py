"""How far a run is: one bar on a terminal, plain lines elsewhere."""

import logging
import time

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from lightune.callbacks.best import Best, Mode
from lightune.runtime.signals import drop_output

log = logging.getLogger("lightune")


class Progress(Callback):
    """Show each epoch's loss, the monitored metric, and its best so far.

    Args:
        metric: the monitored metric, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
        console: where to show it; a bar if that is a terminal, else a line now and then.
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
        self._said = -float("inf")
        self._unsaid = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar."""
        if self._console.is_terminal and trainer.is_global_zero:
            columns = (f"{self._prefix}epoch", MofNCompleteColumn(), BarColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, TextColumn("{task.fields[figures]}", markup=False), console=self._console)
            self._bar.start()
            self._bar.add_task("", total=trainer.max_epochs, completed=trainer.current_epoch, figures="")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the bar, or print a line if the last one is a while ago."""
        if self._judges:
            self.best.judge(trainer)
        figures = self._figures(trainer)
        line = f"{self._prefix}epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {figures}"
        log.info(line)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, figures=figures)
        elif trainer.is_global_zero:
            self._unsaid = line
            if time.monotonic() - self._said > self._seconds_between_lines:
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
        if self._unsaid:
            try:
                self._console.print(self._unsaid, highlight=False, markup=False, soft_wrap=True)
            except OSError:
                if not drop_output():
                    raise
            self._said, self._unsaid = time.monotonic(), ""

    def _figures(self, trainer: Trainer) -> str:
        shown = {name: trainer.callback_metrics.get(name) for name in ("train/loss", self.best.metric)}
        parts = [f"{name} {float(value):.4g}" for name, value in shown.items() if value is not None]
        if self.best.value is not None:
            parts.append(f"best {self.best.value:.4g}")
        return "  ".join(parts)
