"""What each change from the default to the best configuration of a study bought, by training with and without it.

The path is walked from both ends: each change is made alone to the default, and each is taken back alone from the
best (leave-one-out of Fawcett & Hoos 2016, "Analysing differences between algorithm configurations through
ablation", seen from both ends). Where a change is worth more in company than alone, the two differ.
This module must not import Optuna, torch or Lightning.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lightune.errors import ConfigError, Problem
from lightune.report.study_data import StudyData, TrialData, as_number
from lightune.study.space.dimensions import typed_key

__all__ = ["Change", "Effect", "Estimate", "Plan", "Pruned", "effects_of", "plan_of", "pruned_of", "total_of"]

SEED = "seed"
_LEVEL = 0.95

Point = Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A key that the best configuration has otherwise than the default.

    Args:
        key: as it is typed.
        label: as tables have it.
        default: text of its value by default.
        best: text of its value in the best trial.
    """

    key: str
    label: str
    default: str
    best: str


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Args:
        changes: of which each is judged.
        points: key → text of its value, the seed among them; all different.
        pruned: number → its point, of the trials that are finished.
        alike: labels of keys that the best has as by default.
    """

    changes: tuple[Change, ...]
    points: tuple[Point, ...]
    pruned: Mapping[int, Point]
    alike: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Args:
        mean: in the metric's unit; > 0 is better, whatever the metric's mode.
        std: standard deviation over the seeds, >= 0; None of one seed.
        count: how many seeds there are.
    """

    mean: float
    std: float | None
    count: int

    @property
    def is_told_from_chance(self) -> bool:
        """Whether 0 lies outside of the 95 % interval by Student's t over the seeds."""
        if self.std is None:
            return False
        from scipy.stats import t

        return abs(self.mean) > float(t.ppf((1 + _LEVEL) / 2, self.count - 1)) * self.std / math.sqrt(self.count)


@dataclass(frozen=True)
class Effect:
    """What a change bought.

    Args:
        change: which.
        added: by how much it makes the default better.
        taken: by how much the best is better with it than without.
        both: the mean of the two, seed by seed; None where a training of them failed.
    """

    change: Change
    added: Estimate | None
    taken: Estimate | None
    both: Estimate | None


@dataclass(frozen=True)
class Pruned:
    """What pruning cost.

    Args:
        finished: pruned trials that were trained to their end.
        better: how many of them are better than the best of the study.
        value: of the best of them.
        gain: by how much that is better than the best of the study; < 0 if it is worse.
    """

    finished: int
    better: int
    value: float
    gain: float


def plan_of(
    study: StudyData, default_of: Callable[[str], str | None], *, seeds: Sequence[int], pruned: int
) -> Plan:
    """Return what has to be trained.

    Args:
        study: whose best trial is explained.
        default_of: returns the text of a key's value by default, None where it has none.
        seeds: with which each configuration is trained.
        pruned: how many pruned trials are finished, at most; spread over those that there are.

    Raises:
        ConfigError: if the study has no best trial by one objective, conditions in its space, or nothing to
            explain.
    """
    best = _best_of(study)
    texts = {typed_key(each): best.point[each.key] for each in study.searched if each.key in best.point}
    changes, alike = [], []
    for parameter in study.searched:
        key, default = typed_key(parameter), default_of(parameter.key)
        if default is None or _same(texts[key], default):
            alike.append(parameter.label)
        else:
            changes.append(Change(key, parameter.label, default, texts[key]))
    default_point = texts | {change.key: change.default for change in changes}
    corners = [default_point, texts]
    for change in changes:
        corners += [default_point | {change.key: change.best}, texts | {change.key: change.default}]
    distinct = {tuple(corner.items()): corner for corner in corners}.values()
    stopped = [trial for trial in study.trials if trial.state == "pruned"]
    count = min(pruned, len(stopped))
    chosen = [stopped[number * len(stopped) // count] for number in range(count)]
    if not changes and not chosen:
        rule = "its best trial is as by default, and no trial was pruned: there is nothing to explain"
        raise ConfigError([Problem(str(study.folder), rule)])
    return Plan(
        tuple(changes),
        tuple({**corner, SEED: str(seed)} for corner in distinct for seed in seeds) if changes else (),
        {trial.number: _point_of(trial, study, seeds[0]) for trial in chosen},
        tuple(alike),
    )


def effects_of(
    plan: Plan, value_of: Callable[[Point], float | None], *, mode: str, seeds: Sequence[int]
) -> list[Effect]:
    """Return what each change bought, the most first.

    Args:
        plan: of what was trained.
        value_of: returns the value of a point, None where there is none.
        mode: `min` or `max`.
        seeds: with which each configuration was trained.
    """
    ends = _ends(plan)
    found = []
    for change in plan.changes:
        added = _gains(ends[0], ends[0] | {change.key: change.best}, value_of, mode, seeds)
        taken = _gains(ends[1] | {change.key: change.default}, ends[1], value_of, mode, seeds)
        both = [(added[seed] + taken[seed]) / 2 for seed in seeds if seed in added and seed in taken]
        found.append(Effect(change, _estimate(added.values()), _estimate(taken.values()), _estimate(both)))
    return sorted(found, key=lambda effect: -effect.both.mean if effect.both is not None else math.inf)


def total_of(
    plan: Plan, value_of: Callable[[Point], float | None], *, mode: str, seeds: Sequence[int]
) -> Estimate | None:
    """Return by how much the best is better than the default; arguments as those of `effects_of`."""
    default, best = _ends(plan)
    return _estimate(_gains(default, best, value_of, mode, seeds).values())


def pruned_of(study: StudyData, plan: Plan, value_of: Callable[[Point], float | None]) -> Pruned | None:
    """Return what pruning cost; None if no pruned trial was finished.

    Args:
        study: whose trials were pruned.
        plan: of what was trained.
        value_of: returns the value of a point, None where there is none.
    """
    values = [value for point in plan.pruned.values() if (value := value_of(point)) is not None]
    if not values or study.best_value is None:
        return None
    sign = 1 if study.mode == "max" else -1
    gains = [sign * (value - study.best_value) for value in values]
    top = max(range(len(values)), key=gains.__getitem__)
    return Pruned(len(values), sum(gain > 0 for gain in gains), values[top], gains[top])


def _best_of(study: StudyData) -> TrialData:
    problems = []
    if len(study.objectives) > 1:
        rule = "has several objectives, and so no one best trial"
        problems.append(Problem(str(study.folder), f"{rule}; explain the inputs of one trial with --inputs"))
    if any(parameter.when for parameter in study.parameters):
        problems.append(Problem(str(study.folder), "has conditions in its space, which cannot be explained yet"))
    if not study.best:
        problems.append(Problem(str(study.folder), "has no trial with a result yet"))
    if problems:
        raise ConfigError(problems)
    return study.best[0]


def _point_of(trial: TrialData, study: StudyData, seed: int) -> Point:
    point = {typed_key(each): trial.point[each.key] for each in study.searched if each.key in trial.point}
    own = next((trial.point.get(each.key) for each in study.parameters if each.is_seed), None)
    return {**point, SEED: own or str(seed)}


def _same(text: str, other: str) -> bool:
    number, second = as_number(text), as_number(other)
    return number == second if number is not None and second is not None else text == other


def _ends(plan: Plan) -> tuple[dict[str, str], dict[str, str]]:
    """Return the default and the best, without a seed."""
    some = {key: text for key, text in plan.points[0].items() if key != SEED}
    default = some | {change.key: change.default for change in plan.changes}
    return default, some | {change.key: change.best for change in plan.changes}


def _gains(
    before: dict[str, str],
    after: dict[str, str],
    value_of: Callable[[Point], float | None],
    mode: str,
    seeds: Sequence[int],
) -> dict[int, float]:
    """Return seed → by how much a point is better than another."""
    sign = 1 if mode == "max" else -1
    gains = {}
    for seed in seeds:
        values = [value_of({**point, SEED: str(seed)}) for point in (before, after)]
        if values[0] is not None and values[1] is not None:
            gains[seed] = sign * (values[1] - values[0])
    return gains


def _estimate(gains: Iterable[float]) -> Estimate | None:
    known = list(gains)
    if not known:
        return None
    return Estimate(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))
