"""A trial as its study records it, and which of several are the best.

This module must not import Optuna, torch or Lightning.
"""

import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lightune.runtime.contained import is_below
from lightune.study.definition.settings import Objective
from lightune.study.space.space import Point

__all__ = [
    "ATTEMPT",
    "FOLDER",
    "IDENTITY",
    "OUTCOME",
    "OWNER",
    "PAUSES",
    "STOPS",
    "RepeatedPoint",
    "TrialRecord",
    "best_of",
    "best_points",
    "folder_of",
    "is_seed",
    "ranked_points",
]

OWNER, FOLDER, ATTEMPT, OUTCOME, IDENTITY = "owner", "folder", "attempt", "outcome", "identity"
STOPS, PAUSES = "stops", "pauses"
"""User attributes of Optuna's trials (IDENTITY: of its study), as they stand in existing journals and databases:
the name of the driver's lease, the folder relative to the study's, failures before, how the trial ended, how often
a disk that takes nothing has stopped it, and from when to when nobody ran it, in seconds since the epoch."""

_T = TypeVar("_T")


def folder_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the folder that a trial's record states; None if it states none, or one outside of the study's."""
    name = attributes.get(FOLDER)
    return name if is_below(name) else None


@dataclass(frozen=True)
class TrialRecord:
    """A trial as its study records it.

    Args:
        number: its number.
        state: `running`, `interrupted`, or a final status.
        values: one for each objective, if it has them.
        point: its point of the space.
        seconds: wall time, if it has ended.
        folder: relative to the study's folder, if it is known.
        error: why it failed.
        seeds: trials of its point that `values` are the means of, which differ in their seed alone.
        deviations: standard deviation between these, one for each objective; empty if there is one.
        epochs: that were trained, in all fits.
        std: standard deviation of the first objective over its fits, if it is their mean.
        reported: the last value that it has reported to a pruner.
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    point: Point
    seconds: float | None
    folder: str | None
    error: str | None
    seeds: int = 1
    deviations: tuple[float, ...] = ()
    epochs: int | None = None
    std: float | None = None
    reported: float | None = None


@dataclass(frozen=True)
class RepeatedPoint(Generic[_T]):
    """A point that was tried with several seeds, or one.

    Args:
        trials: in the order of their numbers.
        means: of their values, one for each objective.
        deviations: standard deviations between them, one for each objective; empty if there is one trial.
    """

    trials: tuple[_T, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]


def is_seed(key: str) -> bool:
    """Return True if a swept key is the seed: another seed is a repeat of the point, no other point."""
    return key.lstrip("+") == "seed"


def best_points(
    trials: Sequence[_T], *, objectives: Sequence[Objective], values: Callable[[_T], Sequence[float]],
    point: Callable[[_T], Hashable], whole: bool,
) -> list[RepeatedPoint[_T]]:  # fmt: skip
    """Return the point with the best mean over its seeds, or the Pareto front of such points.

    Args:
        trials: those that have values, in the order of their numbers.
        objectives: one or more.
        values: returns a trial's values, one for each objective.
        point: returns the point at which a trial was made, without its seed.
        whole: whether points with fewer seeds than others are passed over: those of a grid that are not done yet,
            or of which a seed failed or was pruned.
    """
    tried: dict[Hashable, list[_T]] = {}
    for trial in trials:
        tried.setdefault(point(trial), []).append(trial)
    most = max(map(len, tried.values()), default=0) if whole else 1
    points = [_repeated(seeds, values) for seeds in tried.values() if len(seeds) >= most]
    return best_of(
        points, objectives=objectives, values=lambda each: each.means, point=lambda each: point(each.trials[0])
    )


def ranked_points(trials: Sequence[TrialRecord], objective: Objective) -> list[RepeatedPoint[TrialRecord]]:
    """Return the points of trials from the best mean over their seeds to the worst, equal ones as they were tried.

    Args:
        trials: those that have values, in the order of their numbers.
        objective: the only one.
    """
    tried: dict[Hashable, list[TrialRecord]] = {}
    for trial in trials:
        seeded = any(map(is_seed, trial.point))
        point = frozenset(each for each in trial.point.items() if not is_seed(each[0]))
        tried.setdefault(point if seeded else trial.number, []).append(trial)
    sign = 1 if objective.mode == "min" else -1
    points = [_repeated(seeds, lambda trial: trial.values or ()) for seeds in tried.values()]
    return sorted(points, key=lambda each: sign * each.means[0])


def _repeated(trials: list[_T], values: Callable[[_T], Sequence[float]]) -> RepeatedPoint[_T]:
    columns = list(zip(*map(values, trials), strict=True))
    deviations = tuple(map(statistics.stdev, columns)) if len(trials) > 1 else ()
    return RepeatedPoint(tuple(trials), tuple(map(statistics.fmean, columns)), deviations)


def best_of(
    trials: Sequence[_T], *, objectives: Sequence[Objective], values: Callable[[_T], Sequence[float]],
    point: Callable[[_T], Hashable],
) -> list[_T]:  # fmt: skip
    """Return the best trial, or the Pareto front: those than which none is better in every objective.

    A point that was tried several times with the same result stands there once, as its first trial.

    Args:
        trials: those that have values, in the order of their numbers.
        objectives: one or more; of one, the first of the best is returned.
        values: returns a trial's values, one for each objective.
        point: returns the point at which a trial was made.
    """
    signs = [1 if objective.mode == "min" else -1 for objective in objectives]
    costs = [tuple(sign * value for sign, value in zip(signs, values(trial), strict=True)) for trial in trials]
    if len(objectives) == 1:
        return [trials[costs.index(min(costs))]] if trials else []
    front = _front(set(costs))
    once: dict[Hashable, _T] = {}
    for trial, cost in zip(trials, costs, strict=True):
        if cost in front:
            once.setdefault((cost, point(trial)), trial)
    return list(once.values())


def _front(costs: set[tuple[float, ...]]) -> set[tuple[float, ...]]:
    front: list[tuple[float, ...]] = []
    for cost in sorted(costs):  # whatever is better than one stands before it
        if not any(all(a <= b for a, b in zip(other, cost, strict=True)) for other in front):
            front.append(cost)
    return set(front)
