"""A run as its files show it, in plain values: `result.json` and `curves.csv`, which may be somebody else's.

This module must not import Optuna, torch or Lightning.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightune.reporting.curves import read_curves
from lightune.reporting.result import FILE_NAME

__all__ = ["UNFINISHED", "RunData", "is_run", "read_curve", "read_run"]

UNFINISHED = "unfinished"
"""Status of a run that has no result: it is under way, or was killed."""
_CONFIG = Path(".hydra", "config.yaml")


@dataclass(frozen=True)
class RunData:
    """What a run left; whatever its files do not say, or say wrongly, is None or empty.

    Args:
        folder: the run's.
        name: the run's.
        status: as in `result.json`, or `unfinished`.
        metric: what it is judged by.
        mode: `min` or `max`.
        value: of the metric at the best epoch; the mean over several fits.
        std: standard deviation over several fits.
        best_epoch: that of the value, from 0.
        epochs: trained, of all fits.
        seconds: of all its parts.
        seed: the run's.
        metrics: `stage/metric` → value.
        intervals: test metric → lower and upper end.
        fits: the value of each fold or resample; empty of a single fit.
        fit_metrics: `stage/metric` → value of each fold or resample.
        repeats: seed and value of each repeat; empty of one.
        repeat_metrics: `stage/metric` → value of each repeat.
        error: why it failed, in one line.
        traceback: the file that tells where, relative to the folder.
        provenance: as in `result.json`.
    """

    folder: Path
    name: str = ""
    status: str = UNFINISHED
    metric: str | None = None
    mode: str = "max"
    value: float | None = None
    std: float | None = None
    best_epoch: int | None = None
    epochs: int | None = None
    seconds: float | None = None
    seed: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fits: tuple[float, ...] = ()
    fit_metrics: tuple[Mapping[str, float], ...] = ()
    repeats: tuple[tuple[int, float], ...] = ()
    repeat_metrics: tuple[Mapping[str, float], ...] = ()
    error: str | None = None
    traceback: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def is_run(folder: Path) -> bool:
    """Return True if a folder is a run's, finished or not."""
    return (folder / FILE_NAME).is_file() or (folder / _CONFIG).is_file()


def read_run(folder: Path) -> RunData:
    """Read what a run left; one without a result is unfinished."""
    content = _read_object(folder / FILE_NAME)
    if content is None:
        content = _read_object(folder / "trial.json")  # of a task that has files of its own
    if content is None:
        return RunData(folder)
    objective = _object(content.get("objective"))
    error = content.get("error")
    line = f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else _text(error)
    spent = content.get("seconds")
    parts = [_number(part) for part in spent.values()] if isinstance(spent, dict) else [_number(spent)]
    known = [part for part in parts if part is not None]
    entries = [entry for entry in _list(content.get("folds")) if isinstance(entry, dict)]
    repeats = [entry for entry in _list(content.get("repeats")) if isinstance(entry, dict)]
    return RunData(
        folder=folder,
        name=_text(content.get("name")) or "",
        status=_text(content.get("status")) or UNFINISHED,
        metric=_text(objective.get("metric")),
        mode="min" if objective.get("mode") == "min" else "max",
        value=_number(objective.get("value")),
        std=_number(objective.get("std")),
        best_epoch=_whole(objective.get("epoch")),
        epochs=_whole(content.get("epochs")),
        seconds=sum(known) if known else None,
        seed=_whole(content.get("seed")),
        metrics=_metrics(content),
        intervals=dict(_intervals(content.get("intervals"))),
        fits=tuple(value for entry in entries if (value := _value_of(entry)) is not None),
        repeats=tuple(
            (seed, value)
            for entry in repeats
            if (value := _value_of(entry)) is not None and (seed := _whole(entry.get("seed"))) is not None
        ),
        fit_metrics=tuple(map(_metrics, entries)),
        repeat_metrics=tuple(map(_metrics, repeats)),
        error=" ".join(line.split()) if line else None,
        traceback=_text(error.get("traceback_file")) if isinstance(error, dict) else None,
        provenance=_object(content.get("provenance")),
    )


def read_curve(folder: Path, metric: str | None) -> tuple[float | None, ...]:
    """Return the value of a metric after each epoch, None where it was not measured; nothing if there is none.

    Args:
        folder: the run's.
        metric: a column of `curves.csv`.
    """
    try:
        column = read_curves(folder).get(metric or "", [])
    except (OSError, ValueError, IndexError, csv.Error):
        return ()
    return tuple(value if value is not None and math.isfinite(value) else None for value in column)


def _read_object(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _metrics(content: dict[str, Any]) -> dict[str, float]:
    figures = _object(content.get("metrics")).items()
    return {str(name): value for name, figure in figures if (value := _number(figure)) is not None}


def _value_of(entry: dict[str, Any]) -> float | None:
    return _number(_object(entry.get("objective")).get("value"))


def _intervals(content: Any) -> list[tuple[str, tuple[float, float]]]:
    ends = [
        (str(name), _number(_object(each).get("low")), _number(_object(each).get("high")))
        for name, each in _object(content).items()
    ]
    return [(name, (low, high)) for name, low, high in ends if low is not None and high is not None]
