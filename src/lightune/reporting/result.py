"""`result.json`: one schema, written last; the file is what makes a run finished.

This module must not import torch or Lightning.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightune.paths import shown_path
from lightune.runtime.atomic_files import json_text, write_whole
from lightune.wording import lines_of

__all__ = [
    "CONSOLE_FILE",
    "FILE_NAME",
    "FINISHED",
    "SCHEMA_VERSION",
    "TRACEBACK_FILE",
    "Entry",
    "Failure",
    "Interval",
    "Objective",
    "Result",
    "Status",
    "read_result",
    "to_json",
    "write_result",
]

FILE_NAME = "result.json"
SCHEMA_VERSION = 1
TRACEBACK_FILE = "traceback.txt"
"""Where a run that failed leaves its traceback, in its folder."""
CONSOLE_FILE = "console.log"
"""What a run that shares its process with others would have printed."""

Status = Literal["completed", "early_stopped", "pruned", "failed", "interrupted"]
FINISHED: tuple[Status, ...] = ("completed", "early_stopped", "pruned")
"""How a run ends by itself."""


@dataclass(frozen=True)
class Objective:
    """What a run was judged by: the monitored metric at its best epoch.

    Args:
        metric: its name, e.g. `val/accuracy`.
        mode: `min` or `max`.
        value: the best value; None if no epoch had a finite one.
        epoch: the epoch that had it, counted from 0; None as for value, and for a mean over several fits.
        std: standard deviation over several fits (n - 1 in the denominator); None for a single one.
    """

    metric: str
    mode: str
    value: float | None
    epoch: int | None
    std: float | None = None


@dataclass(frozen=True)
class Entry:
    """One fit, or the mean over the fits of one repeat, in the lists of a result.

    Args:
        index: its number in the list, from 0.
        seed: its seed.
        objective: as of a run.
        metrics: as of a run.
        epochs: epochs trained.
        checkpoint: the best checkpoint, relative to the run's folder; None if there is none, or several.
    """

    index: int
    seed: int
    objective: Objective
    metrics: dict[str, float]
    epochs: int
    checkpoint: str | None


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Args:
        low: lower end.
        high: upper end.
        level: of confidence, in (0, 1).
        resamples: how many bootstrap resamples of the samples it was taken from.
    """

    low: float
    high: float
    level: float
    resamples: int


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Args:
        type: name of the exception's class.
        message: what it said.
        traceback_file: where its traceback lies, relative to the run's folder.
    """

    type: str
    message: str
    traceback_file: str


@dataclass(frozen=True)
class Result:
    """All that a program needs to know of a finished run.

    Args:
        run_dir: the run's folder; not part of the file, which knows where it lies.
        name: the run's name.
        status: how it ended.
        objective: what it is judged by.
        metrics: `stage/metric` → value; validation and training at the best epoch, test once.
        seed: the run's seed.
        epochs: epochs trained.
        steps: optimizer steps taken.
        seconds: wall time of `setup`, `train`, `validate` and `test`.
        samples_per_second: training samples over training time, without validation and the first epoch of several.
        checkpoint: the best checkpoint, relative to the run's folder; None if none was written.
        error: why it failed, if it did.
        provenance: where it came from.
        folds: the fits of `validation=kfold` and `validation=bootstrap`; empty for others.
        repeats: the repeats of `repeats=N`; empty for one.
        intervals: test metric → its confidence interval.
        found: key → the value that `trainer.lr_find` or `trainer.batch_size_find` has found.
    """

    run_dir: Path
    name: str
    status: Status
    objective: Objective
    metrics: dict[str, float]
    seed: int
    epochs: int
    steps: int
    seconds: dict[str, float]
    samples_per_second: float | None
    checkpoint: str | None
    error: Failure | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    folds: list[Entry] = field(default_factory=list)
    repeats: list[Entry] = field(default_factory=list)
    intervals: dict[str, Interval] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)

    def rows(self, fits: int) -> list[tuple[str, str]]:
        """Return what came of the run, a name and a value a line.

        Args:
            fits: how many it was to have.
        """
        objective = self.objective
        rows = [("status", self.status.replace("_", " "))]
        if objective.value is not None:
            rows.append((objective.metric, f"{objective.value:.4f}{_judgement(self, fits)}"))
        counterpart = f"test{objective.metric.removeprefix('val').removeprefix('train')}"
        tested = [name for name in self.metrics if name.startswith(("test/", "test_"))]
        tested.sort(key=lambda name: name != counterpart)
        rows += [(name, f"{self.metrics[name]:.4f}{_interval(self, name)}") for name in tested]
        speed = f", {self.samples_per_second:,.0f} samples/s" if self.samples_per_second else ""
        rows.append(
            ("time", f"{self.seconds['train']:.1f} s training, {sum(self.seconds.values()):.1f} s in all{speed}")
        )
        rows.append(("folder", shown_path(self.run_dir)))
        if self.error is not None:
            rows.append(("error", f"{self.error.type}: {self.error.message}"))
            rows.append(("traceback", shown_path(self.run_dir / self.error.traceback_file)))
        return rows

    def _repr_mimebundle_(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> dict[str, str]:
        """Return what a notebook shows: a text, and the same as HTML without a script."""
        from lightune.reporting.notebook import in_html, pairs_in_html
        from lightune.runtime.plain_text import visible

        rows = self.rows(len(self.folds or self.repeats) or 1)
        text = "\n".join(visible(line) for line in lines_of([("run", self.name), *rows]))
        return {"text/plain": text, "text/html": f"<div><b>{in_html(self.name)}</b>{pairs_in_html(rows)}</div>"}


def _judgement(result: Result, fits: int) -> str:
    """Return what the objective is: the best epoch's, or a mean."""
    objective = result.objective
    if objective.epoch is not None:
        return f"  best, at epoch {objective.epoch + 1} of {result.epochs}"
    done = len(result.folds or result.repeats)
    of = f"{done} fits" if done == fits else f"{done} of {fits} fits"
    return (f" ± {objective.std:.4f}" if objective.std is not None else "") + f"  mean of {of}"


def _interval(result: Result, name: str) -> str:
    if (interval := result.intervals.get(name)) is None:
        return ""
    return f"  {interval.low:.4f} to {interval.high:.4f} with {interval.level:.0%} confidence"


def write_result(result: Result) -> Path:
    """Write a result into its run's folder, whole or not at all; return the file's path."""
    content = asdict(result)
    del content["run_dir"]
    target = result.run_dir / FILE_NAME
    write_whole(target, to_json({"schema": SCHEMA_VERSION, **content}))
    return target


def to_json(content: dict[str, Any]) -> bytes:
    """Return a mapping as indented JSON; NaN and infinity, which JSON does not have, become null."""
    return json_text(_finite(content)).encode()


def read_result(run_dir: Path) -> Result:
    """Read the result of a run.

    Raises:
        OSError: if the folder has none.
        ValueError: if it is no result, or one of another schema.
    """
    content = json.loads((run_dir / FILE_NAME).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA_VERSION:
        raise ValueError(f"{run_dir / FILE_NAME} is not a result of schema {SCHEMA_VERSION}")
    try:
        content["objective"] = Objective(**content["objective"])
        content["error"] = Failure(**content["error"]) if content["error"] else None
        for name in ("folds", "repeats"):
            content[name] = [
                Entry(**{**entry, "objective": Objective(**entry["objective"])}) for entry in content[name]
            ]
        content["intervals"] = {name: Interval(**ends) for name, ends in content["intervals"].items()}
        return Result(run_dir=run_dir, **content)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{run_dir / FILE_NAME} is not a result of schema {SCHEMA_VERSION} ({error})") from error


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
