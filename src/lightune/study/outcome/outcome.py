"""How a trial ended, as its folder says: `result.json` is what makes it finished.

This module must not import Optuna, torch or Lightning.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightune.errors import TrialError, UnwritableError
from lightune.reporting.result import FILE_NAME, SCHEMA_VERSION, Status
from lightune.runtime.atomic_files import write_json
from lightune.study.definition.settings import Objective

__all__ = [
    "COMPLETE",
    "FINAL",
    "RESULTS",
    "Outcome",
    "Status",
    "commit",
    "is_complete",
    "is_final",
    "outcome_of_value",
    "read_outcome",
    "read_seconds",
    "read_status",
    "read_training",
    "settle",
]

COMPLETE: tuple[Status, ...] = ("completed", "early_stopped")
"""Statuses of a trial that has been trained to its end, by itself or by its own stopping rule."""
FINAL: tuple[Status, ...] = (*COMPLETE, "pruned", "failed")
"""Statuses of a trial that is over; an interrupted one is resumed another time."""
_STATUSES: tuple[Status, ...] = (*FINAL, "interrupted")
_FILES = (FILE_NAME, "trial.json")
RESULTS = tuple(f"{depth}{name}" for depth in ("*/", "*/*/") for name in _FILES)
"""Where the results of a study's trials lie, as patterns below its folder."""


@dataclass(frozen=True)
class Outcome:
    """The end of a trial.

    Args:
        status: as in `result.json`.
        values: one for each objective; empty if the trial is complete and has none, None if it is not complete.
        seconds: wall time of the trial.
        error: why it failed, in one line.
        unwritable: whether it was stopped by a disk that takes nothing; the trial is not to blame, and goes on.
    """

    status: Status
    values: tuple[float, ...] | None = None
    seconds: float = 0.0
    error: str | None = None
    unwritable: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the trial is over; an interrupted one goes on another time."""
        return is_final(self.status)

    @property
    def counts(self) -> bool:
        """Whether the trial has values that it can be compared by."""
        return is_complete(self.status) and bool(self.values)

    @property
    def failed(self) -> bool:
        """Whether the trial is a failure; a pruned one is none."""
        return self.is_final and self.status != "pruned" and self.values is None


def is_final(status: str) -> bool:
    """Return True if a trial of this status is over; one that is running or interrupted is not."""
    return status in FINAL


def is_complete(status: str) -> bool:
    """Return True if a trial of this status has been trained to its end."""
    return status in COMPLETE


def outcome_of_value(
    returned: Any, objectives: Sequence[Objective], *, status: Status = "completed", seconds: float = 0.0
) -> Outcome:
    """Return the outcome of a task by what it returned: one finite number for each objective, or it failed."""
    several = list(returned) if isinstance(returned, list | tuple) else [returned]
    if not objectives[0].required and not all(isinstance(value, int | float) for value in several):
        return Outcome(status, (), seconds)
    try:
        values = tuple(float(value) for value in several)
    except (TypeError, ValueError):
        values = ()
    if len(values) != len(objectives) or not all(map(math.isfinite, values)):
        wanted = "a finite number" if len(objectives) == 1 else f"{len(objectives)} finite numbers"
        return Outcome("failed", None, seconds, f"the task must return {wanted}, got {returned!r}")
    return Outcome(status, values, seconds)


def read_outcome(folder: Path, objectives: Sequence[Objective]) -> Outcome | None:
    """Read how a trial ended; None if its folder does not say, or not by all objectives."""
    content = _read(folder)
    return _outcome_of(content, objectives) if content is not None else None


def read_status(folder: Path) -> Status | None:
    """Read the status that a trial's folder states; None if it states none."""
    content = _read(folder)
    return _status_of(content) if content is not None else None


def read_seconds(folder: Path) -> float:
    """Read how long a trial has taken in all its parts; 0 if its folder does not say."""
    content = _read(folder)
    return _seconds_of(content) if content is not None else 0.0


def read_training(folder: Path) -> dict[str, Any]:
    """Read what a trial's training says beside its values: `epochs`, and `std` over its fits, if there."""
    content = _read(folder) or {}
    objective = content.get("objective")
    found = {"epochs": content.get("epochs"), "std": objective.get("std") if isinstance(objective, dict) else None}
    return {name: value for name, value in found.items() if value is not None}


def _read(folder: Path) -> dict[str, Any] | None:
    for name in _FILES:
        if (content := _read_file(folder / name)) is not None:
            return content
    return None


def _read_file(file: Path) -> dict[str, Any] | None:
    """Read one file; None if it is none of ours, or damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(content, dict) and content.get("schema") == SCHEMA_VERSION
    return content if ours and content.get("status") in _STATUSES else None


def _status_of(content: dict[str, Any]) -> Status:
    """Return the status that a file states; what a full disk has stopped is not over."""
    status: Status = content["status"]
    return "interrupted" if status == "failed" and _is_unwritable(content.get("error")) else status


def _is_unwritable(error: Any) -> bool:
    return isinstance(error, dict) and error.get("type") == UnwritableError.__name__


def _outcome_of(content: dict[str, Any], objectives: Sequence[Objective]) -> Outcome | None:
    status, seconds = _status_of(content), _seconds_of(content)
    if is_complete(status):
        values = content["values"] if "values" in content else [_measure(content, o.metric) for o in objectives]
        if len(objectives) > 1 and None in values:
            return None  # what the task alone knows, such as a number of parameters, has to be measured again
        if values == []:
            return Outcome(status, (), seconds)
        return outcome_of_value(values, objectives, status=status, seconds=seconds)
    error = content.get("error")
    line = f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else error
    unwritable = _is_unwritable(error)
    return Outcome(status, None, seconds, line if status == "failed" or unwritable else None, unwritable)


def _seconds_of(content: dict[str, Any]) -> float:
    spent = content.get("seconds")
    return float(sum(spent.values())) if isinstance(spent, dict) else float(spent or 0.0)


def _measure(content: dict[str, Any], metric: str | None) -> Any:
    objective = content.get("objective") or {}
    if metric is None or objective.get("metric") == metric:
        return objective.get("value")
    if metric == "seconds":
        return _seconds_of(content)
    return (content.get("metrics") or {}).get(metric)


def commit(folder: Path, outcome: Outcome) -> None:
    """Write the outcome of a trial whose task left none, whole or not at all; a file of the task's own stays.

    Where the task has written that it was interrupted, and the trial ended of that, only this is changed.

    Raises:
        OSError: if it cannot be written.
    """
    target = folder / _FILES[0]
    before = _read_file(target)
    if before is None and target.exists():
        target = folder / _FILES[1]
        before = _read_file(target)
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "status": outcome.status,
        "values": list(outcome.values) if outcome.values is not None else None,
        "seconds": round(outcome.seconds, 6),
        "error": outcome.error,
    }
    if before is not None and "objective" in before and outcome.failed:
        failure = {"type": TrialError.__name__, "message": outcome.error or "", "traceback_file": ""}
        content = {**before, "status": outcome.status, "error": failure}
    write_json(target, content)


def settle(folder: Path, outcome: Outcome) -> None:
    """See to it that a trial's folder says that the trial is over; what it says already stays.

    Raises:
        OSError: if it cannot be written.
    """
    status = read_status(folder)
    if status is None or not is_final(status):
        commit(folder, outcome)
