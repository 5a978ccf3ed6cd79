"""A trial as its study records it, and which of several are the best.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lightune.runtime.contained import is_below
from lightune.study.definition.settings import Objective
from lightune.study.space.space import Point

__all__ = ["ATTEMPT", "FOLDER", "IDENTITY", "OUTCOME", "OWNER", "STOPS", "TrialRecord", "best_of", "folder_of"]

OWNER, FOLDER, ATTEMPT, OUTCOME, IDENTITY = "owner", "folder", "attempt", "outcome", "identity"
STOPS = "stops"
"""User attributes of Optuna's trials (IDENTITY: of its study), as they stand in existing journals and databases:
the name of the driver's lease, the folder relative to the study's, failures before, how the trial ended, how often
a disk that takes nothing has stopped it."""

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
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    point: Point
    seconds: float | None
    folder: str | None
    error: str | None


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
