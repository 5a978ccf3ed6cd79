"""What each change from the default to the best configuration of a study bought, by training with and without it.

The path is walked from both ends: each change is made alone to the default, and each is taken back alone from the
best (leave-one-out of Fawcett & Hoos 2016, "Analysing differences between algorithm configurations through
ablation", seen from both ends). Where a change is worth more in company than alone, the two differ. A key that
exists only under values of the best is changed where these are, and goes with them where they are taken back.
This module must not import Optuna, torch or Lightning.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lightune.config.override_text import bare_key, value_of_text, values_of
from lightune.errors import ConfigError, Problem
from lightune.report.study_data import Parameter, StudyData, TrialData, as_number
from lightune.study.space.assignments import is_one_of
from lightune.study.space.dimensions import typed_key

__all__ = [
    "Change",
    "DefaultOf",
    "Effect",
    "Estimate",
    "Plan",
    "Pruned",
    "are_alike",
    "effects_of",
    "plan_of",
    "pruned_of",
    "total_of",
]

SEED = "seed"
_LEVEL = 0.95

Point = Mapping[str, str]
DefaultOf = Callable[[str, Point], str | None]
"""Takes a key and what else is set; returns the text of the key's value by default, None where it has none."""


@dataclass(frozen=True)
class Change:
    """A key that the best configuration has otherwise than the default.

    Args:
        key: as it is typed.
        label: as tables have it.
        default: text of its value by default.
        best: text of its value in the best trial.
        given: labels of the other changes without which there is no such key.
    """

    key: str
    label: str
    default: str
    best: str
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Steps:
    """The points between which a change is judged, without a seed.

    Args:
        before: the default, with what the change needs.
        after: the same with the change.
        without: the best without the change.
    """

    before: Point
    after: Point
    without: Point


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Args:
        changes: of which each is judged.
        steps: of each change.
        default: key → text of its value, without a seed.
        best: key → text of its value, without a seed.
        points: key → text of its value, the seed among them; all different.
        pruned: number → its point, of the trials that are finished.
        alike: labels of keys that the best has as by default.
    """

    changes: tuple[Change, ...]
    steps: tuple[Steps, ...]
    default: Point
    best: Point
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


def plan_of(study: StudyData, default_of: DefaultOf, *, seeds: Sequence[int], seed: int, pruned: int) -> Plan:
    """Return what has to be trained.

    Args:
        study: whose best trial is explained.
        default_of: of the configuration without the search.
        seeds: with which each configuration is trained; none with which the study chose its best.
        seed: of the study, with which pruned trials are finished.
        pruned: how many pruned trials are finished, at most; spread over those that there are.

    Raises:
        ConfigError: if the study has no best trial by one objective, or nothing to explain.
    """
    ways = _Ways(study.searched, _best_of(study).point, default_of)
    changes, alike = [], []
    for parameter in ways.parameters:
        if parameter.key not in ways.best:
            continue
        key, text, default = typed_key(parameter), ways.best[parameter.key], ways.default_text(parameter)
        if default is None or are_alike(text, default):
            alike.append(parameter)
        else:
            changes.append((parameter, Change(key, parameter.label, default, text)))
    changed = {parameter.key for parameter, _ in changes}
    steps: list[Steps] = []
    named: list[Change] = []
    for parameter, change in changes:
        needed = ways.needed(parameter, changed)
        before, after = ways.point(needed), ways.point(needed | {parameter.key})
        steps.append(Steps(before, after, ways.point(changed - {parameter.key})))
        named.append(replace(change, given=tuple(each.label for each, _ in changes if each.key in needed)))
    default_point, best_point = ways.point(set()), ways.point(changed)
    corners: list[Point] = [default_point, best_point]
    corners += [corner for step in steps for corner in (step.before, step.after, step.without)]
    distinct = {tuple(sorted(corner.items())): corner for corner in corners}.values()
    stopped = [trial for trial in study.trials if trial.state == "pruned"]
    count = min(pruned, len(stopped))
    chosen = [stopped[number * len(stopped) // count] for number in range(count)]
    if not changes and not chosen:
        rule = "its best trial is as by default, and no trial was pruned: there is nothing to explain"
        raise ConfigError([Problem(str(study.folder), rule)])
    return Plan(
        tuple(named),
        tuple(steps),
        default_point,
        best_point,
        tuple({**corner, SEED: str(seed)} for corner in distinct for seed in seeds) if changes else (),
        {trial.number: _point_of(trial, study, seed) for trial in chosen},
        tuple(parameter.label for parameter in alike),
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
    found = []
    for change, step in zip(plan.changes, plan.steps, strict=True):
        added = _gains(step.before, step.after, value_of, mode, seeds)
        taken = _gains(step.without, plan.best, value_of, mode, seeds)
        both = [(added[seed] + taken[seed]) / 2 for seed in seeds if seed in added and seed in taken]
        found.append(Effect(change, _estimate(added.values()), _estimate(taken.values()), _estimate(both)))
    return sorted(found, key=lambda effect: -effect.both.mean if effect.both is not None else math.inf)


def total_of(
    plan: Plan, value_of: Callable[[Point], float | None], *, mode: str, seeds: Sequence[int]
) -> Estimate | None:
    """Return by how much the best is better than the default; arguments as those of `effects_of`."""
    return _estimate(_gains(plan.default, plan.best, value_of, mode, seeds).values())


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
    if not study.best:
        problems.append(Problem(str(study.folder), "has no trial with a result yet"))
    if problems:
        raise ConfigError(problems)
    return study.best[0]


def _point_of(trial: TrialData, study: StudyData, seed: int) -> Point:
    point = {typed_key(each): trial.point[each.key] for each in study.searched if each.key in trial.point}
    own = next((trial.point.get(each.key) for each in study.parameters if each.is_seed), None)
    return {**point, SEED: own or str(seed)}


def are_alike(text: str, other: str) -> bool:
    """Return whether two texts stand for one value: numbers by their value, words with or without quotes."""
    number, second = as_number(text), as_number(other)
    return number == second if number is not None and second is not None else text.strip("'") == other.strip("'")


class _Ways:
    """The points between the default and the best.

    Args:
        searched: the swept keys.
        best: key → text of its value in the best trial.
        default_of: of the configuration without the search.
    """

    def __init__(self, searched: Sequence[Parameter], best: Point, default_of: DefaultOf) -> None:
        self.best = {parameter.key: best[parameter.key] for parameter in searched if parameter.key in best}
        self.parameters = _parents_first(searched)
        self._default_of = default_of
        self._defaults: dict[str, str | None] = {}
        for parameter in self.parameters:  # where a key is there by default, that is its default
            if self._exists(parameter, point := self._built(set())):
                self._defaults[parameter.key] = default_of(parameter.key, point)
        for parameter in self.parameters:
            if parameter.key not in self._defaults and parameter.key in self.best:
                others = {
                    typed_key(each): self.best[each.key] for each in self.parameters if each.key in self.best
                }
                del others[typed_key(parameter)]
                self._defaults[parameter.key] = default_of(parameter.key, others)

    def default_text(self, parameter: Parameter) -> str | None:
        """Return the text of a key's value by default; of one that is not there by default, beside the best."""
        return self._defaults.get(parameter.key)

    def needed(self, parameter: Parameter, changed: set[str]) -> set[str]:
        """Return which of the changed keys must be as in the best for a key to be there."""
        found: set[str] = set()
        while not self._exists(parameter, self._built(found)):
            waiting = [
                each.key
                for each in self.parameters
                if each.key in changed - found and self._decides(each, parameter)
            ]
            if not waiting:
                return found
            found.update(waiting)
        return found

    def point(self, as_best: set[str]) -> dict[str, str]:
        """Return a point, by keys as they are typed.

        Args:
            as_best: keys that are as in the best; all others are as by default.
        """
        return self._built(as_best)

    def _built(self, as_best: set[str]) -> dict[str, str]:
        point: dict[str, str] = {}
        for parameter in self.parameters:
            default, best = self._defaults.get(parameter.key), self.best.get(parameter.key)
            is_as_best = (
                default is None or parameter.key in as_best or (best is not None and are_alike(best, default))
            )
            text = best if best is not None and is_as_best else default
            if text is not None and self._exists(parameter, point):
                point[typed_key(parameter)] = text
        return point

    def _exists(self, parameter: Parameter, point: Point) -> bool:
        set_here = {name: value for key, text in point.items() for name, value in values_of(key, text).items()}
        swept = {bare_key(typed_key(each)) for each in self.parameters}
        for key, accepted in parameter.when.items():
            bare = bare_key(key)
            if bare not in set_here:
                text = None if bare in swept else self._default_of(bare, {})
                if text is None:
                    return False
                set_here[bare] = value_of_text(text)
            if not is_one_of(set_here[bare], accepted):
                return False
        return True

    def _decides(self, one: Parameter, other: Parameter) -> bool:
        """Return whether a key is in the condition of another, or in that of one on which this depends."""
        wanted = {bare_key(key) for key in other.when}
        if bare_key(typed_key(one)) in wanted:
            return True
        between = [each for each in self.parameters if bare_key(typed_key(each)) in wanted and each is not one]
        return any(self._decides(one, each) for each in between)


def _parents_first(searched: Sequence[Parameter]) -> list[Parameter]:
    """Return parameters in an order in which each stands behind those that its condition names."""
    waiting, ordered = list(searched), []
    while waiting:
        open_keys = {bare_key(typed_key(each)) for each in waiting}
        ready = next((each for each in waiting if not open_keys & set(map(bare_key, each.when))), waiting[0])
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _gains(
    before: Point,
    after: Point,
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
