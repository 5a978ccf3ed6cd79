"""How far a study is: one live table on a terminal, a line a trial elsewhere."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lightune.study.definition.settings import Objective
from lightune.study.outcome.outcome import COMPLETE, FINAL
from lightune.study.storage.trial_store import Row

__all__ = ["Display"]

_MOST_BEST = 3
_MOST_RUNNING = 12


class Display:
    """Show a study while it runs.

    Args:
        console: where.
        name: the study's name.
        n_trials: trials in all.
        over: trials that ended before.
        objectives: what it is judged by.
    """

    def __init__(
        self, console: Console, *, name: str, n_trials: int, over: int, objectives: Sequence[Objective]
    ) -> None:
        self._console, self._name, self._n_trials = console, name, n_trials
        self._objectives = objectives
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._began = time.monotonic()
        self._ended_here = 0
        self._over = over
        self._best: Sequence[Row] = []

    def __enter__(self) -> "Display":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print one line above the table."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def began(self, rows: Callable[[], Sequence[Row]]) -> None:
        """Take notice of a trial that started."""
        if self._live is not None:
            self._draw(self._live, rows(), self._best)

    def ended(self, row: Row, rows: Callable[[], Sequence[Row]], best: Callable[[], Sequence[Row]]) -> None:
        """Take notice of a trial that ended."""
        self._ended_here += 1
        self._best = best()
        if self._live is not None:
            if row.state == "failed":
                self.say(describe(row, self._objectives))
            self._draw(self._live, rows(), self._best)
        else:
            self._over += 1
            count = f"[{self._over}/{self._n_trials}]"
            self.say(f"{count} {describe(row, self._objectives)}{_best_text(row, self._best)}")

    def _draw(self, live: Live, rows: Sequence[Row], best: Sequence[Row]) -> None:
        counts = Counter(row.state for row in rows)
        done = sum(counts[state] for state in COMPLETE)
        over = sum(counts[state] for state in FINAL)
        title = f"{self._name}: {done} done, {counts['running']} running, {counts['pruned']} pruned, "
        title += f"{counts['failed']} failed of {self._n_trials}{self._time_left(over)}"
        table = Table(box=None, header_style="dim")
        for column in ("trial", "state", "value", "parameters"):
            table.add_column(column, overflow="fold")
        running = [row for row in rows if row.state == "running"]
        for row in [*best[:_MOST_BEST], *running[:_MOST_RUNNING]]:
            state = "best" if row in best else row.state
            table.add_row(str(row.number), state, _values(row), _point(row, exact=False))
        if len(running) > _MOST_RUNNING:
            table.add_row("", f"and {len(running) - _MOST_RUNNING} more")
        live.update(Group(Text(title, style="bold", overflow="fold"), table), refresh=True)

    def _time_left(self, over: int) -> str:
        if not self._ended_here or over >= self._n_trials:
            return ""
        left = (time.monotonic() - self._began) / self._ended_here * (self._n_trials - over)
        return f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"


def describe(row: Row, objectives: Sequence[Objective]) -> str:
    """Say in one line what became of a trial."""
    names = [objective.metric or "value" for objective in objectives]
    figures = [f"{name} {value:.6g}" for name, value in zip(names, row.values or (), strict=False)]
    spent = [f"{row.seconds:.1f} s"] if row.seconds is not None else []
    why = [row.error] if row.error and row.state == "failed" else []
    return "  ".join([f"trial {row.number}", row.state.replace("_", " "), *figures, *spent, _point(row), *why])


def _best_text(row: Row, best: Sequence[Row]) -> str:
    if not best or row.number in {other.number for other in best}:
        return "  (best)" if best else ""
    return f"  (best: trial {best[0].number}, {_values(best[0])})" if len(best) == 1 else ""


def _values(row: Row) -> str:
    return ", ".join(f"{value:.6g}" for value in row.values or ())


def _point(row: Row, *, exact: bool = True) -> str:
    return " ".join(f"{key}={text if exact else _short(text)}" for key, text in row.point.items())


def _short(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.4g}" if len(text) > 8 else text
