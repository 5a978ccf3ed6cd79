"""What came of each fit of a run, kept in its folder, and what they say together."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from lightune.reporting.result import Entry, Objective, to_json
from lightune.runtime.atomic_files import write_whole

__all__ = ["FIT_FILE", "FitResult", "mean_curves", "mean_metrics", "mean_objective", "read_fit", "write_fit"]

FIT_FILE = "fit.json"

Value = TypeVar("Value")


@dataclass(frozen=True)
class FitResult:
    """All that the result of a run needs to know of one of its fits.

    Args:
        index: its number in the run, from 0.
        seed: its seed.
        repeat: number of its repeat, from 0.
        fold: number of its division within the repeat, from 0.
        status: how it ended.
        objective: what it is judged by.
        metrics: `stage/metric` → value at the best epoch.
        epochs: epochs trained.
        steps: optimizer steps taken.
        seconds: wall time of `setup`, `train`, `validate` and `test`.
        samples_per_second: as of a run.
        checkpoint: the best checkpoint, relative to the run's folder.
        curves: tag → value at the end of each epoch, None where none was measured, and `step`.
    """

    index: int
    seed: int
    repeat: int
    fold: int
    status: Literal["completed", "early_stopped", "pruned"]
    objective: Objective
    metrics: dict[str, float]
    epochs: int
    steps: int
    seconds: dict[str, float]
    samples_per_second: float | None
    checkpoint: str | None
    curves: dict[str, list[float | None]] = field(default_factory=dict)

    @property
    def logged_steps(self) -> int:
        """Steps that its figures are drawn over, >= 0: not every optimizer's are counted."""
        steps = self.curves.get("step")
        return int(steps[-1] or 0) + 1 if steps else self.steps

    def entry(self, index: int) -> Entry:
        """Return what the result of the run shows of it."""
        return Entry(index, self.seed, self.objective, self.metrics, self.epochs, self.checkpoint)


def write_fit(fit: FitResult, folder: Path) -> None:
    """Write `fit.json` into a fit's folder: from now on it is finished."""
    write_whole(folder / FIT_FILE, to_json(asdict(fit)))


def read_fit(folder: Path) -> FitResult | None:
    """Return what came of a finished fit; None if it is not finished."""
    try:
        content = json.loads((folder / FIT_FILE).read_text(encoding="utf-8"))
        return FitResult(**{**content, "objective": Objective(**content["objective"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def mean_objective(fits: Sequence[FitResult]) -> Objective:
    """Return the objective of several fits: the mean and the standard deviation, as far as they are known."""
    first = fits[0].objective
    known = [fit.objective.value for fit in fits if fit.objective.value is not None]
    if len(known) < len(fits):
        return Objective(first.metric, first.mode, None, None)
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Objective(first.metric, first.mode, statistics.fmean(known), None, deviation)


def mean_metrics(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric that every fit has."""
    return _means(metrics, statistics.fmean)


def mean_curves(fits: Sequence[FitResult]) -> dict[str, list[float]]:
    """Return the mean of each curve, as far as every fit went: tag → value an epoch; `step` is the first fit's."""

    def across(curves: Sequence[list[float]]) -> list[float]:
        return [statistics.fmean(values) for values in zip(*curves, strict=False)]

    epochs = min(len(fit.curves["step"]) for fit in fits)
    whole = [_whole(fit.curves) for fit in fits]
    curves = _means([{**each, "step": whole[0]["step"]} for each in whole], across)
    return {tag: values[:epochs] for tag, values in curves.items()}


def _whole(curves: Mapping[str, Sequence[float | None]]) -> dict[str, list[float]]:
    """Return the curves that have a value in every epoch: others have no common place."""
    known = {tag: [value for value in values if value is not None] for tag, values in curves.items()}
    return {tag: values for tag, values in known.items() if len(values) == len(curves["step"])}


def _means(maps: Sequence[dict[str, Value]], mean: Callable[[list[Value]], Value]) -> dict[str, Value]:
    shared = [key for key in maps[0] if all(key in other for other in maps)]
    return {key: mean([each[key] for each in maps]) for key in shared}
