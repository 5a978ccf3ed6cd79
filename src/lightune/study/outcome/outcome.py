"""How a trial ended, as its folder says: `result.json` is what makes it finished.

This module must not import Optuna, torch or Lightning.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    "read_status",
]

Status = Literal["completed", "early_stopped", "pruned", "failed", "interrupted"]
COMPLETE: tuple[Status, ...] = ("completed", "early_stopped")
"""Statuses of a trial that has been trained to its end, by itself or by its own stopping rule."""
FINAL: tuple[Status, ...] = (*COMPLETE, "pruned", "failed")
"""Statuses of a trial that is over; an interrupted one is resumed another time."""
_STATUSES: tuple[Status, ...] = (*FINAL, "interrupted")
_FILES = ("result.json", "trial.json")
RESULTS = tuple(f"{depth}{name}" for depth in ("*/", "*/*/") for name in _FILES)
"""Where the results of a study's trials lie, as patterns below its folder."""
_SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """The end of a trial.

    Args:
        status: as in `result.json`.
        values: one for each objective; empty if the trial is complete and has none, None if it is not complete.
        seconds: wall time of the trial.
        error: why it failed, in one line.
    """

    status: Status
    values: tuple[float, ...] | None = None
    seconds: float = 0.0
    error: str | None = None

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
    return content["status"] if content is not None else None


def _read(folder: Path) -> dict[str, Any] | None:
    for name in _FILES:
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and content.get("schema") == _SCHEMA and content.get("status") in _STATUSES:
            return content
    return None


def _outcome_of(content: dict[str, Any], objectives: Sequence[Objective]) -> Outcome | None:
    status, spent = content["status"], content.get("seconds")
    seconds = float(sum(spent.values())) if isinstance(spent, dict) else float(spent or 0.0)
    if is_complete(status):
        values = content["values"] if "values" in content else [_measure(content, o.metric) for o in objectives]
        if len(objectives) > 1 and None in values:
            return None  # what the task alone knows, such as a number of parameters, has to be measured again
        if values == []:
            return Outcome(status, (), seconds)
        return outcome_of_value(values, objectives, status=status, seconds=seconds)
    error = content.get("error")
    line = f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else error
    return Outcome(status, None, seconds, line if status == "failed" else None)


def _measure(content: dict[str, Any], metric: str | None) -> Any:
    objective = content.get("objective") or {}
    if metric is None or objective.get("metric") == metric:
        return objective.get("value")
    if metric == "seconds":
        return sum((content.get("seconds") or {}).values())
    return (content.get("metrics") or {}).get(metric)


def commit(folder: Path, outcome: Outcome) -> None:
    """Write the outcome of a trial whose task left none, whole or not at all; a file of the task's own stays."""
    target = folder / _FILES[0]
    if target.exists():
        target = folder / _FILES[1]
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": _SCHEMA,
        "status": outcome.status,
        "values": list(outcome.values) if outcome.values is not None else None,
        "seconds": round(outcome.seconds, 6),
        "error": outcome.error,
    }
    write_json(target, content)
