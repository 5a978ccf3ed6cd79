"""How far a study is: one live table on a terminal, one line in a notebook, a line a trial elsewhere."""

import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lightune.paths import TRAIN_LOG
from lightune.runtime.notebook_line import NotebookLine
from lightune.study.definition.settings import Objective
from lightune.study.observer import Ending
from lightune.study.outcome.outcome import COMPLETE, FINAL
from lightune.study.outputs.reader import shown_value
from lightune.study.storage.records import TrialRecord, is_seed
from lightune.study.storage.trial_store import TrialStore
from lightune.wording import duration

__all__ = ["Display", "describe", "epoch_of", "figures_of"]

_MOST_BEST = 3
_MOST_RUNNING = 12
_REFRESH = 1.0  # seconds
_MOST_SHARE = 0.02  # of the time, for showing it
_TAIL = 4096  # bytes of a log that are read
_EPOCH = re.compile(rb"(?:(fit \d+/\d+)  )?(epoch \d+/\d+)  ")


class Display:
    """Show a study while it runs.

    Args:
        console: where.
        store: the record of its trials.
        name: the study's name.
        ended: trials that ended before.
    """

    def __init__(self, console: Console, store: TrialStore, *, name: str, ended: int) -> None:
        self._console, self._store, self._name = console, store, name
        self._objectives, self._n_trials = store.settings.objectives, store.n_trials
        self._line = NotebookLine(every=_REFRESH) if console.is_jupyter else None
        on_terminal = console.is_terminal and self._line is None
        self._live = Live(console=console, auto_refresh=False) if on_terminal else None
        self._next_look = time.monotonic() + _REFRESH
        self._began = self._ended_at = time.monotonic()
        self._ended_here = 0
        self._ended = ended
        self._best: Sequence[TrialRecord] = []

    def __enter__(self) -> "Display":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._line is not None:
            self._line.show(self._summary(), last=True)

    def message(self, text: str) -> None:
        """Print one line above the table."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def trial_started(self, number: int) -> None:
        """Show a trial among those that run."""
        self._look()

    def trial_ended(self, trial: TrialRecord) -> None:
        """Show the end of a trial."""
        self._ended_here += 1
        self._ended_at = time.monotonic()
        self._best = self._store.best()
        if self._live is not None or self._line is not None:
            if trial.state == "failed":
                self.message(describe(trial, self._objectives))
            self._look()
        else:
            self._ended += 1
            count = f"[{self._ended}/{self._n_trials}]"
            self.message(f"{count} {describe(trial, self._objectives)}{_best_text(trial, self._best)}")

    def tick(self) -> None:
        """Show how far the trials are that run, about once a second."""
        if time.monotonic() >= self._next_look:
            self._look()

    def _look(self) -> None:
        """Show how things are, where that is shown at all."""
        began = time.monotonic()
        if self._live is not None:
            self._draw(self._live)
        elif self._line is not None and self._line.is_due:
            self._line.show(self._summary())
        spent = time.monotonic() - began
        self._next_look = time.monotonic() + max(_REFRESH, spent / _MOST_SHARE)

    def study_ended(self, ending: Ending) -> None:
        """Do nothing: `summary` has the last word."""

    def _title(self, trials: Sequence[TrialRecord]) -> str:
        counts = Counter(trial.state for trial in trials)
        done = sum(counts[state] for state in COMPLETE)
        ended = sum(counts[state] for state in FINAL)
        title = f"{self._name}: {done} done, {counts['running']} running, {counts['pruned']} pruned, "
        return f"{title}{counts['failed']} failed of {self._n_trials}{self._time_left(ended)}"

    def _summary(self) -> str:
        """Return all of it in one line."""
        trials, best = self._store.records(), self._best
        running = [trial for trial in trials if trial.state == "running"][:_MOST_BEST]
        parts = [f"trial {trial.number} {epoch}" for trial in running if (epoch := self._epoch(trial))]
        if best:
            parts.append(f"best {_values(best[0])} of trial {best[0].number}")
        return "; ".join([self._title(trials), *parts])

    def _epoch(self, trial: TrialRecord) -> str:
        """Return how far a trial is, as its log says."""
        return epoch_of(self._store.folder / trial.folder) if trial.folder is not None else ""

    def _draw(self, live: Live) -> None:
        trials, best = self._store.records(), self._best
        title = self._title(trials)
        table = Table(box=None, header_style="dim")
        for column in ("trial", "state", "value", "parameters"):
            table.add_column(column, overflow="fold")
        running = [trial for trial in trials if trial.state == "running"]
        for trial in [*best[:_MOST_BEST], *running[:_MOST_RUNNING]]:
            state = "best" if trial in best else self._epoch(trial) or trial.state
            table.add_row(str(trial.number), state, _values(trial), _point(trial))
        if len(running) > _MOST_RUNNING:
            table.add_row("", f"and {len(running) - _MOST_RUNNING} more")
        live.update(Group(Text(title, style="bold", overflow="fold"), table), refresh=True)

    def _time_left(self, ended: int) -> str:
        if not self._ended_here or ended >= self._n_trials:
            return ""
        since = time.monotonic() - self._ended_at
        left = (self._ended_at - self._began) / self._ended_here * (self._n_trials - ended) - since
        return f", about {duration(left)} left" if left >= 1 else ""


def epoch_of(folder: Path) -> str:
    """Return how far the training in a trial's folder is, as `epoch 3/20`; nothing if its log does not say.

    Args:
        folder: the trial's.
    """
    try:
        with (folder / TRAIN_LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            found = _EPOCH.findall(file.read())
    except OSError:
        return ""
    return b" ".join(filter(None, found[-1])).decode() if found else ""


def describe(trial: TrialRecord, objectives: Sequence[Objective]) -> str:
    """Return one line about how a trial ended."""
    names = [objective.metric or "value" for objective in objectives]
    figures = [f"{name} {text}" for name, text in zip(names, figures_of(trial), strict=False)]
    spent = [f"{trial.seconds:.1f} s"] if trial.seconds is not None else []
    why = [trial.error] if trial.error and trial.state == "failed" else []
    parts = [f"trial {trial.number}", trial.state.replace("_", " "), *figures, *spent, _point(trial), *why]
    return "  ".join(filter(None, parts))


def _best_text(trial: TrialRecord, best: Sequence[TrialRecord]) -> str:
    if not best or trial.number in {other.number for other in best}:
        return "  (best)" if best else ""
    return f"  (best: trial {best[0].number} with {_values(best[0])})" if len(best) == 1 else ""


def figures_of(trial: TrialRecord) -> list[str]:
    """Return each value of a trial as one reads it; of several seeds, the mean and how far they lie apart."""
    spread = [f" ± {deviation:.2g} over {trial.seeds} seeds" for deviation in trial.deviations]
    values = trial.values or ()
    return [f"{value:.6g}{apart}" for value, apart in zip(values, spread or [""] * len(values), strict=True)]


def _values(trial: TrialRecord) -> str:
    return ", ".join(figures_of(trial))


def _point(trial: TrialRecord) -> str:
    shown = {key: text for key, text in trial.point.items() if not (trial.seeds > 1 and is_seed(key))}
    return " ".join(f"{key}={shown_value(text)}" for key, text in shown.items())
