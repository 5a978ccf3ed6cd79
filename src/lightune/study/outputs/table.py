"""`trials.csv`: the table of a study's trials, written and read here alone.

This module must not import Optuna, torch or Lightning.
"""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import cell, text_of_cell
from lightune.study.definition.settings import Objective
from lightune.study.storage.records import TrialRecord

__all__ = ["COLUMNS", "FILE_NAME", "OF_A_TRIAL", "column_of", "read_table", "write_table"]

FILE_NAME = "trials.csv"
OF_A_TRIAL = "trial/"
"""What the names of columns begin with that came later: no key and no metric has such a name."""


def _field(name: str) -> Callable[[TrialRecord], Any]:
    """Return what writes a field of a trial's record, where it has one."""
    return lambda trial: "" if (value := getattr(trial, name)) is None else value


_FIRST: dict[str, Callable[[TrialRecord], Any]] = {
    "number": lambda trial: trial.number,
    "state": lambda trial: trial.state,
}
_LAST: dict[str, Callable[[TrialRecord], Any]] = {
    "seconds": lambda trial: "" if trial.seconds is None else f"{trial.seconds:.3f}",
    "folder": lambda trial: trial.folder or "",
    "error": lambda trial: trial.error or "",
    **{f"{OF_A_TRIAL}{name}": _field(name) for name in ("epochs", "std", "reported")},
}
COLUMNS = (*_FIRST, *_LAST)
"""The columns beside the objectives and the swept keys, which stand between the state and the seconds."""


def column_of(metric: str | None) -> str:
    """Return the column of an objective, which no other column shares."""
    return f"objective/{metric}" if metric in COLUMNS else metric or "value"


def write_table(
    folder: Path, trials: Sequence[TrialRecord], keys: Sequence[str], objectives: Sequence[Objective]
) -> None:
    """Write the table: number, state, each objective, each swept key, and what else is known of a trial.

    Args:
        folder: the study's.
        trials: become the rows.
        keys: that are swept.
        objectives: what the study is judged by.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [column_of(objective.metric) for objective in objectives]
    swept = [f"swept/{key}" if key in COLUMNS else key for key in keys]
    writer.writerow([*_FIRST, *names, *swept, *_LAST])
    for trial in trials:
        values = list(trial.values) if trial.values is not None else [""] * len(names)
        point = [trial.point.get(key, "") for key in keys]
        first, last = ([content(trial) for content in columns.values()] for columns in (_FIRST, _LAST))
        row = (*first, *values, *point, *last)
        writer.writerow([cell(each) if isinstance(each, str) else each for each in row])
    write_whole(folder / FILE_NAME, text.getvalue().encode())


def read_table(folder: Path) -> list[dict[str, str]]:
    """Read the table, column -> text for each trial; nothing if there is none yet.

    A column that a study of before does not have is empty; it has the number and the state of each trial.
    """
    try:
        with (folder / FILE_NAME).open(encoding="utf-8", newline="") as file:
            rows = [{key: _text(content) for key, content in row.items()} for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []
    there = set(rows[0]) if rows else set()
    added = {key: "" for key in COLUMNS if key not in {*there, "number", "state"}}
    return [{**row, **added} for row in rows]


def _text(content: Any) -> Any:
    """Return the text of a cell; the cells of a row that is too short are None."""
    return text_of_cell(content) if isinstance(content, str) else content
