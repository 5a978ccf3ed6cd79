"""A study as its files show it, in one plain form that all tables and pages are made of.

Nothing of its folder is run, and nothing in it is written. This module must not import Optuna, torch or Lightning.
"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lightune.errors import ConfigError, Problem
from lightune.report.remarks import Remarks, read_remarks
from lightune.report.run_data import RunData, read_curve, read_run
from lightune.study.definition.spec import Spec, read_spec
from lightune.study.outcome.outcome import COMPLETE, FINAL, is_final
from lightune.study.outputs.reader import StudyOnDisk, open_study
from lightune.study.storage.records import is_seed
from lightune.wording import counted

__all__ = ["Parameter", "StudyData", "TrialData", "as_number", "labels_of", "read_study"]


@dataclass(frozen=True)
class Parameter:
    """A swept key.

    Args:
        key: as its override has it.
        label: the shortest end of the key that no other has.
        low: least number of an interval, or of listed numbers; None of other values.
        high: the greatest.
        log: whether orders of magnitude count the same.
        values: that are listed; empty of an interval.
        interval: whether it is one.
        whole: whether its ends are whole numbers, and so all between.
        when: key → accepted values; the key exists where all hold.
    """

    key: str
    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    values: tuple[str, ...] = ()
    interval: bool = False
    whole: bool = False
    when: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_number(self) -> bool:
        """Whether all its values are numbers."""
        return self.low is not None and self.high is not None

    @property
    def is_seed(self) -> bool:
        """Whether another value is a repeat of the point, and no other point."""
        return is_seed(self.key)

    def place(self, text: str | None) -> float | None:
        """Return where a value lies, from 0 to 1; None where it has no place, as a word."""
        number = as_number(text)
        if number is None or self.low is None or self.high is None or self.low == self.high:
            return None
        if not self.log:
            return (number - self.low) / (self.high - self.low)
        if number <= 0:
            return None
        return math.log(number / self.low) / math.log(self.high / self.low)

    def at(self, place: float) -> float:
        """Return the number at a place, which may lie outside of 0 to 1."""
        assert self.low is not None
        assert self.high is not None
        if self.log:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + place * (self.high - self.low)


@dataclass(frozen=True)
class TrialData:
    """A trial of a study.

    Args:
        number: its number.
        state: as in `trials.csv`.
        values: one for each objective; None if it is not complete.
        reached: the best value of the first objective that it had, complete or pruned.
        point: key → text of its value.
        seconds: of all its parts.
        error: why it failed, in one line.
        folder: its folder; None if nobody knows.
        run: what its folder says.
        curve: the monitored metric after each epoch.
        seeds: how many seeds it is the mean of, where seeds are grouped.
        lacks: whether seeds of it are missing, failed or were pruned, so that it is no candidate for the best.
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    reached: float | None
    point: Mapping[str, str]
    seconds: float | None
    error: str | None
    folder: Path | None
    run: RunData
    curve: tuple[float | None, ...] = ()
    seeds: int = 1
    lacks: bool = False

    @property
    def std(self) -> float | None:
        """Standard deviation of the value over the trial's fits."""
        return self.run.std

    @property
    def epochs(self) -> int | None:
        """Epochs trained."""
        return self.run.epochs

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to its end and has values."""
        return self.state in COMPLETE and self.values is not None


@dataclass(frozen=True)
class StudyData:
    """A study.

    Args:
        folder: the study's.
        objectives: metric and mode of each; the metric is that of the column.
        parameters: the swept keys in the order of the command.
        trials: in the order of their numbers.
        n_trials: how many it has when it is finished; None if that is unknown.
        spec: what `study.json` says.
        program: what it was begun with, as it is typed; None if that is not lightune's own.
        is_grid: whether it is the grid of its space.
        remarks: what a person wrote about it.
        on_disk: as `open_study` returns it.
    """

    folder: Path
    objectives: tuple[tuple[str, str], ...]
    parameters: tuple[Parameter, ...]
    trials: tuple[TrialData, ...]
    n_trials: int | None
    spec: Spec
    program: str | None
    is_grid: bool
    remarks: Remarks
    on_disk: StudyOnDisk

    @property
    def name(self) -> str:
        """The study's name, that of its folder."""
        return self.folder.resolve().name

    @property
    def metric(self) -> str:
        """The first objective."""
        return self.objectives[0][0]

    @property
    def mode(self) -> str:
        """`min` or `max`, of the first objective."""
        return self.objectives[0][1]

    @property
    def counts(self) -> Counter[str]:
        """How many trials are in each state."""
        return Counter(trial.state for trial in self.trials)

    @property
    def is_finished(self) -> bool:
        """Whether as many trials are over as were asked for."""
        return self.on_disk.is_over

    @cached_property
    def best(self) -> tuple[TrialData, ...]:
        """The best trial, or the Pareto front; where seeds are swept, the first of the best point."""
        by_number = {trial.number: trial for trial in self.trials}
        return tuple(by_number[int(row["number"])] for row in self._best_rows)

    @cached_property
    def _best_rows(self) -> list[dict[str, str]]:
        return self.on_disk.best()

    def best_figures(self, digits: str = ".4f") -> list[str]:
        """Return the figures of each of `best` as one reads them, with ± over seeds or fits."""
        shown = []
        for row, trial in zip(self._best_rows, self.best, strict=True):
            text = self.on_disk.figures(row, digits)
            if trial.std is not None and "seeds" not in row and len(self.objectives) == 1:
                text += f" ± {trial.std:.2g}"
            shown.append(text)
        return shown

    @property
    def best_value(self) -> float | None:
        """The value of the best point by the first objective; its mean over seeds where these are swept."""
        return float(self._best_rows[0][self.on_disk.columns[0]]) if self._best_rows else None

    @property
    def searched(self) -> tuple[Parameter, ...]:
        """The swept keys but the seed."""
        return tuple(parameter for parameter in self.parameters if not parameter.is_seed)

    @cached_property
    def complete(self) -> tuple[TrialData, ...]:
        """The trials that have values."""
        return tuple(trial for trial in self.trials if trial.is_complete)

    def ranked(self, trials: Sequence[TrialData] | None = None) -> list[TrialData]:
        """Return trials from the best to the worst by what they reached; without those that reached nothing."""
        valued = [trial for trial in (self.trials if trials is None else trials) if trial.reached is not None]
        sign = -1 if self.mode == "max" else 1
        return sorted(valued, key=lambda trial: (trial.lacks, sign * (trial.reached or 0.0)))

    def best_first(self) -> list[TrialData]:
        """Return all trials: from the best to the worst by what they reached, then those that reached nothing."""
        ranked = self.ranked()
        known = {trial.number for trial in ranked}
        return [*ranked, *(trial for trial in self.trials if trial.number not in known)]

    def progress(self) -> str:
        """Return how many trials ended how."""
        counts = self.counts
        states = [*FINAL, *sorted(set(counts) - set(FINAL))]
        parts = [f"{counts[state]} {state.replace('_', ' ')}" for state in states if counts[state]]
        total = max(self.n_trials or 0, len(self.trials))
        over = sum(counts[state] for state in FINAL)
        count = counted(over, "trial") if over >= total else f"{over} of {counted(total, 'trial')}"
        return f"{count}: {', '.join(parts)}" if parts else count


def read_study(folder: Path, *, curves: bool = False, before: StudyData | None = None) -> StudyData:
    """Read a study from its files.

    Args:
        folder: the study's.
        curves: whether to read the curves of its trials, too.
        before: the same study as it was read before: trials that were over are not read again.

    Raises:
        ConfigError: if the folder is no study, or its files are damaged.
    """
    on_disk = open_study(folder)
    spec = read_spec(folder)
    if spec is None:
        raise ConfigError([Problem(str(folder), "is no study")])
    columns = on_disk.columns
    modes = [str(objective["mode"]) for objective in on_disk.objectives]
    rows = sorted(on_disk.rows, key=lambda row: int(row["number"]))
    on_disk.rows[:] = rows
    keys = on_disk.keys or list(spec.space)
    known = {
        trial.number: trial for trial in (before.trials if before is not None else ()) if is_final(trial.state)
    }
    return StudyData(
        folder=folder,
        objectives=tuple(zip(columns, modes, strict=True)),
        parameters=tuple(_parameters(keys, spec.space, rows)),
        trials=tuple(known.get(int(row["number"])) or _trial(on_disk, row, keys, curves=curves) for row in rows),
        n_trials=on_disk.n_trials,
        spec=spec,
        program=on_disk.program,
        is_grid=on_disk.is_grid,
        remarks=read_remarks(folder),
        on_disk=on_disk,
    )


def _trial(study: StudyOnDisk, row: Mapping[str, str], keys: Sequence[str], *, curves: bool) -> TrialData:
    folder = study.trial_folder(dict(row)) if row["folder"] else None
    run = read_run(folder) if folder is not None else RunData(Path())
    texts = [row[column] for column in study.columns]
    values = tuple(map(float, texts)) if all(texts) else None
    metric = study.objectives[0]["metric"]
    reached = values[0] if values else None
    if reached is None and row["state"] == "pruned":
        reached = run.value if run.metric == metric else as_number(row["trial/reported"])
    if run.epochs is None:  # of a trial whose folder is gone
        epochs = as_number(row["trial/epochs"])
        run = replace(run, epochs=None if epochs is None else int(epochs), std=as_number(row["trial/std"]))
    seconds = as_number(row["seconds"])
    return TrialData(
        number=int(row["number"]),
        state=row["state"],
        values=values,
        reached=reached if reached is not None and math.isfinite(reached) else None,
        point={key: row[key] for key in keys if row.get(key)},
        seconds=seconds if seconds is not None else run.seconds,
        error=row["error"] or (run.error if row["state"] == "failed" else None),
        folder=folder,
        run=run,
        curve=read_curve(folder, run.metric or metric) if curves and folder is not None else (),
    )


def _parameters(
    keys: Sequence[str], space: Mapping[str, Any], rows: Sequence[Mapping[str, str]]
) -> list[Parameter]:
    labels = labels_of(keys)
    found = []
    for key, label in zip(keys, labels, strict=True):
        about = space.get(key.removeprefix("swept/"))
        about = about if isinstance(about, dict) else {}
        when = about.get("when")
        when = when if isinstance(when, dict) else {}
        low, high = as_number(about.get("low")), as_number(about.get("high"))
        if low is not None and high is not None and low <= high:
            log = bool(about.get("log")) and low > 0
            whole = isinstance(about.get("low"), int) and isinstance(about.get("high"), int)
            found.append(Parameter(key, label, low, high, log, interval=True, whole=whole, when=when))
            continue
        listed = about.get("values")
        texts = listed if isinstance(listed, list) else list(dict.fromkeys(row[key] for row in rows if row[key]))
        numbers = [as_number(text) for text in texts]
        known = [number for number in numbers if number is not None]
        if len(known) > 1 and len(known) == len(texts):
            low, high = min(known), max(known)
            log = low > 0 and len(known) > 1 and _is_geometric(sorted(known))
            found.append(Parameter(key, label, low, high, log, tuple(map(str, texts)), when=when))
        else:
            found.append(Parameter(key, label, values=tuple(map(str, texts)), when=when))
    return found


def _is_geometric(numbers: Sequence[float]) -> bool:
    """Return True if numbers grow by factors rather than by steps."""
    if len(numbers) < 3:
        return numbers[-1] / numbers[0] >= 8
    steps = [second - first for first, second in itertools.pairwise(numbers)]
    factors = [math.log(second / first) for first, second in itertools.pairwise(numbers)]
    return _spread(factors) < _spread(steps)


def _spread(numbers: Sequence[float]) -> float:
    return max(numbers) / min(numbers) if min(numbers) > 0 else math.inf


def labels_of(keys: Sequence[str]) -> list[str]:
    """Return for each key the shortest end, at its dots, that no other key has."""
    bare = [key.lstrip("+") for key in keys]

    def ends(key: str, count: int) -> str:
        head, brace, rest = key.partition("{")
        return ".".join(head.split(".")[-count:]) + brace + rest

    labels = []
    for key in bare:
        count, most = 1, key.partition("{")[0].count(".") + 1
        while count < most and sum(ends(other, count) == ends(key, count) for other in bare) > 1:
            count += 1
        labels.append(ends(key, count))
    return labels


def as_number(value: Any) -> float | None:
    """Return a finite number that a value or its text is; None if it is none."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
