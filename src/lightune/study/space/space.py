"""The space of a study: what is fixed, what is swept, under which conditions, and the overrides of a point.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lightune.config.override_text import bare_key, value_of_text, value_text, values_of
from lightune.config.static.annotations import did_you_mean
from lightune.errors import ConfigError, Problem
from lightune.study.messages import LIGHTUNE, Vocabulary
from lightune.study.space.assignments import is_one_of, keys_of
from lightune.study.space.dimensions import Choice, Dimension, Interval, typed_key

__all__ = ["GRID", "Point", "Space", "interval_in_grid", "lists_points"]

GRID = "optuna.samplers.GridSampler"
"""What `search=grid` names; the points are listed here, in Hydra's order, and not by Optuna's sampler."""

Point = dict[str, str]
"""Key of a dimension → the text of its value."""


@dataclass(frozen=True)
class Space:
    """All that the trials of a study have in common, and all in which they may differ.

    Args:
        entries: overrides that every trial has, and dimensions, in the order of the command line.
        fixed: looks up the value of a key that is not swept, for conditions.
        vocabulary: what its keys are called in messages.
        remarks: lines for the user: on sweeps that a later override takes the place of, and on how trials compare.
    """

    entries: tuple[str | Dimension, ...]
    fixed: Callable[[str], Any] = lambda key: None
    vocabulary: Vocabulary = LIGHTUNE
    remarks: tuple[str, ...] = ()

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The swept keys; one that depends on another stands behind it."""
        waiting = [entry for entry in self.entries if not isinstance(entry, str)]
        ordered: list[Dimension] = []
        while waiting:
            ready = next(
                (d for d in waiting if not any(_decides(other, d) for other in waiting if other is not d)), None
            )
            if ready is None or _decides(ready, ready):
                key = (ready or waiting[0]).key
                raise ConfigError([Problem(key, "its condition depends on itself; break the circle of when")])
            waiting.remove(ready)
            ordered.append(ready)
        return tuple(ordered)

    @property
    def is_discrete(self) -> bool:
        """Whether all points can be listed."""
        return not any(isinstance(dimension, Interval) for dimension in self.dimensions)

    def is_active(self, dimension: Dimension, point: Mapping[str, str]) -> bool:
        """Return True if a dimension exists at a point, which holds all that it depends on."""
        chosen = {name: value for key, text in point.items() for name, value in values_of(key, text).items()}
        for key, accepted in dimension.when.items():
            bare = bare_key(key)
            if any(bare in keys_of(other) and other.key not in point for other in self.dimensions):
                return False
            value = chosen[bare] if bare in chosen else self.fixed(bare)
            if not is_one_of(value, accepted):
                return False
        return True

    @staticmethod
    def accepts(text: str, accepted: Sequence[Any]) -> bool:
        """Return True if a text stands for one of some values, types included."""
        return is_one_of(value_of_text(text), accepted)

    def grid(self) -> Iterator[Point]:
        """Yield every point once, the last dimension fastest, as Hydra's own sweeper does.

        Raises:
            ValueError: if a dimension is an interval.
        """
        dimensions = self.dimensions

        def extend(index: int, point: Point) -> Iterator[Point]:
            if index == len(dimensions):
                yield dict(point)
                return
            dimension = dimensions[index]
            texts = dimension.grid()
            if texts is None:
                raise ValueError(f"{dimension.key} is an interval")
            if not self.is_active(dimension, point):
                yield from extend(index + 1, point)
                return
            for text in texts:
                yield from extend(index + 1, {**point, dimension.key: text})

        return extend(0, {})

    def first_point(self) -> Point:
        """Return the point that has the first value of each key."""
        point: Point = {}
        for dimension in self.dimensions:
            if self.is_active(dimension, point):
                point[dimension.key] = dimension.edges()[0]
        return point

    def size(self) -> int | None:
        """Return the number of points; None if there is an interval."""
        if not self.is_discrete:
            return None
        if any(dimension.when for dimension in self.dimensions):
            return sum(1 for _ in self.grid())
        count = 1
        for dimension in self.dimensions:
            count *= dimension.size() or 0
        return count

    def overrides(self, point: Mapping[str, str]) -> list[str]:
        """Return the overrides of the trial at a point, in the order of the command line."""
        lines = []
        for entry in self.entries:
            if isinstance(entry, str):
                lines.append(entry)
            elif entry.key in point:
                lines.append(f"{typed_key(entry)}={point[entry.key]}")
        return lines

    def point_of(self, values: Mapping[str, Any], *, where: str | None = None) -> Point:
        """Check a point that a person wrote.

        Args:
            values: key → value; keys may be missing.
            where: the configuration key that holds the point, for messages; that of all such points by default.

        Raises:
            ConfigError: if it has a key that is not swept, or a value outside of the space.
        """
        where = where or self.vocabulary.key("enqueue")
        known = {bare_key(dimension.key): dimension for dimension in self.dimensions}
        point: Point = {}
        problems: list[Problem] = []
        for key, value in values.items():
            dimension = known.get(bare_key(key))
            if dimension is None:
                problems.append(Problem(where, _not_swept(key, list(known), self.vocabulary)))
                continue
            try:
                point[dimension.key] = _fitting(dimension, value, where)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return point

    def describe(self) -> dict[str, Any]:
        """Return the space as plain values, for `study.json`."""
        return {dimension.key: _describe(dimension) for dimension in self.dimensions}


def lists_points(sampler: Mapping[str, Any] | None) -> bool:
    """Return True if a sampler takes the points of a space as they are listed, where it has no interval.

    Args:
        sampler: its node; None where none was chosen.
    """
    return sampler is None or sampler.get("_target_") == GRID


def interval_in_grid(space: Space) -> str:
    """Return why a space has no grid."""
    keys = ", ".join(dimension.key for dimension in space.dimensions if dimension.grid() is None)
    rule = f"a grid needs values that can be listed, and {keys} is an interval"
    return f"{rule}; list its values, or choose {space.vocabulary.tpe}"


def _not_swept(key: str, known: list[str], vocabulary: Vocabulary) -> str:
    if not known:
        where = vocabulary.key("space")
        return f"{key} is not swept, and nothing else is; name what is searched in {where}, or after -m"
    hint = did_you_mean(key, known)
    return f"{key} is not swept{';' + hint if hint else ''} (what is: {', '.join(known)})"


def _fitting(dimension: Dimension, value: Any, where: str) -> str:
    plain = value if isinstance(value, str) else value_text(value)
    texts = [plain, value_text(value)]
    if isinstance(dimension, Choice):
        same = [t for t in dimension.texts if value_of_text(t) == value and type(value_of_text(t)) is type(value)]
        texts = [*same, *texts]
    for text in texts:
        try:
            dimension.value(text)
        except ValueError as error:
            reason = error
        else:
            return dimension.text(dimension.value(text))
    raise ConfigError([Problem(where, f"{dimension.key} {reason}, got {value!r}")])


def _describe(dimension: Dimension) -> dict[str, Any]:
    if isinstance(dimension, Interval):
        about: dict[str, Any] = {"low": dimension.low, "high": dimension.high, "log": dimension.log}
    else:
        about = {"values": list(dimension.grid())}
    return (
        {**about, "when": {key: list(values) for key, values in dimension.when.items()}}
        if dimension.when
        else about
    )


def _decides(one: Dimension, other: Dimension) -> bool:
    """Return True if the condition of the other asks for what the one sets."""
    return bool(other.when) and not keys_of(one).isdisjoint(map(bare_key, other.when))
