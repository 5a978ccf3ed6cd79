"""`lightune.load_study`: a study that lies in a folder, in Python and in notebooks.

This module must not import torch or Lightning, nor Optuna or pandas at its top.
"""

import io
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.errors import ConfigError, Problem
from lightune.report.advice import advice
from lightune.report.allowed_values import allowed_in
from lightune.report.analysis import Analysis, analyse, keep_analysis
from lightune.report.next_search import next_search
from lightune.report.points import grouped
from lightune.report.study_data import StudyData, TrialData, read_study
from lightune.report.tables import columns_of, shown_cells, trial_cells
from lightune.reporting.notebook import in_html, pairs_in_html
from lightune.runtime.terminal import Terminal
from lightune.study.outputs.reader import found

if TYPE_CHECKING:
    import optuna
    import pandas as pd

__all__ = ["Study", "load_study"]

_SHOWN = 10  # trials


class Study:
    """A study as its files show it; nothing in it is run.

    Args:
        data: the study, read with its curves.
    """

    def __init__(self, data: StudyData) -> None:
        self.data = data

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.data.folder

    @property
    def trials(self) -> tuple[TrialData, ...]:
        """Its trials, in the order of their numbers."""
        return self.data.trials

    @property
    def best(self) -> TrialData:
        """The best trial, or the first on the Pareto front.

        Raises:
            ConfigError: if no trial has a value.
        """
        if not self.data.best:
            raise ConfigError([Problem(str(self.folder), "has no trial with a result yet")])
        return self.data.best[0]

    @cached_property
    def analysis(self) -> Analysis:
        """What mattered, and how much of the best is luck: computed when it is first asked for."""
        return analyse(self.data)

    def dataframe(self) -> "pd.DataFrame":
        """Return a row a trial, with numbers as numbers.

        Raises:
            ImportError: if pandas is not installed.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = [trial_cells(self.data, trial) for trial in self.trials]
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()

    @property
    def optuna(self) -> "optuna.Study":
        """The study as Optuna has it, for its figures and its own tools.

        Raises:
            ConfigError: if it lies in a database, whose address with its password only you know.
        """
        from lightune.study.storage.journal import JOURNAL, recorded_study

        if self.data.spec.storage != "journal" or not (self.folder / JOURNAL).is_file():
            rule = f"is recorded in {self.data.spec.storage}; open it with optuna.load_study(storage=URL)"
            raise ConfigError([Problem(str(self.folder), rule)])
        return recorded_study(self.folder)

    def report(self, file: Path | None = None) -> Path:
        """Write its page, by default as `report.html` in its folder; return the file.

        Raises:
            OSError: if it cannot be written.
        """
        from lightune.report.study_report import write_report

        keep_analysis(self.data, self.analysis)
        return write_report(self.data, self.analysis, file=file)

    def __repr__(self) -> str:
        figures = self.data.best_figures()
        return f"Study({str(self.folder)!r}, {self.data.progress()}{f', best {figures[0]}' if figures else ''})"

    def _repr_mimebundle_(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> dict[str, str]:
        """Return what a notebook shows: a text, and the same as HTML without a script."""
        return {"text/plain": self._text(), "text/html": self._html()}

    def _text(self) -> str:
        from lightune.report.text import print_advice, print_trials

        screen = io.StringIO()
        console = Terminal(file=screen, width=10_000)
        print_advice(self.data, self.analysis, console)
        points = grouped(self.data)
        print_trials(points, points.ranked()[:_SHOWN], console, analysis=self.analysis)
        return f"{self!r}\n{screen.getvalue()}".rstrip()

    def _html(self) -> str:
        points = grouped(self.data)
        columns = columns_of(points)
        heads = "".join(f"<th>{in_html(column.title)}</th>" for column in columns)
        rows = "".join(
            f"<tr>{''.join(f'<td>{in_html(text)}</td>' for text in shown_cells(points, trial, columns))}</tr>"
            for trial in points.ranked()[:_SHOWN]
        )
        lines = advice(self.data, self.analysis)
        found = next_search(self.data, self.analysis, is_allowed=allowed_in(self.data))
        again = (
            f"<div>next: <code>{in_html(found.command)}</code> ({in_html(found.reason)})</div>" if found else ""
        )
        return (
            f"<div><b>{in_html(self.data.name)}</b>: {in_html(self.data.progress())}"
            f"{pairs_in_html(lines)}{again}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )


def load_study(path: str | Path) -> Study:
    """Read a study from its files.

    Args:
        path: its folder, or its name below `outputs/studies`.

    Raises:
        ConfigError: if there is no study, or its files are damaged.
    """
    return Study(read_study(found(Path(path)), curves=True))
