"""The space of a study: what is fixed, what is swept, under which conditions, and the overrides of a point.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser

from lightune.config.static.annotations import did_you_mean
from lightune.errors import ConfigError, Problem
from lightune.study.space.dimensions import Choice, Dimension, Interval
from lightune.study.space.syntax import dimension_from_override, dimension_from_yaml, value_of_text, value_text

__all__ = ["GRID", "Point", "Space", "interval_in_grid", "read_space"]

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
    """

    entries: tuple[str | Dimension, ...]
    fixed: Callable[[str], Any] = lambda key: None

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The swept keys; one that depends on another stands behind it."""
        waiting = [entry for entry in self.entries if not isinstance(entry, str)]
        ordered: list[Dimension] = []
        while waiting:
            names = {_bare(dimension.key) for dimension in waiting}
            ready = next((d for d in waiting if not names & (set(map(_bare, d.when)) - {_bare(d.key)})), None)
            if ready is None or _bare(ready.key) in map(_bare, ready.when):
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
        """Tell whether a dimension exists at a point, which holds all that it depends on."""
        chosen = {_bare(key): text for key, text in point.items()}
        swept = {_bare(other.key) for other in self.dimensions}
        for key, accepted in dimension.when.items():
            bare = _bare(key)
            if bare in swept and bare not in chosen:
                return False
            value = value_of_text(chosen[bare]) if bare in chosen else self.fixed(bare)
            if not any(type(value) is type(wanted) and value == wanted for wanted in accepted):
                return False
        return True

    @staticmethod
    def accepts(text: str, accepted: Sequence[Any]) -> bool:
        """Tell whether a text stands for one of some values, types included."""
        value = value_of_text(text)
        return any(type(value) is type(wanted) and value == wanted for wanted in accepted)

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
                lines.append(f"{entry.key}={point[entry.key]}")
        return lines

    def point_of(self, values: Mapping[str, Any], *, where: str = "search.enqueue") -> Point:
        """Check a point that a person wrote.

        Args:
            values: key → value; keys may be missing.
            where: the configuration key that holds the point, for messages.

        Raises:
            ConfigError: if it has a key that is not swept, or a value outside of the space.
        """
        known = {_bare(dimension.key): dimension for dimension in self.dimensions}
        point: Point = {}
        problems: list[Problem] = []
        for key, value in values.items():
            dimension = known.get(_bare(key))
            if dimension is None:
                problems.append(Problem(where, _not_swept(key, list(known))))
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


def interval_in_grid(space: Space) -> str:
    """Say why a space has no grid."""
    keys = ", ".join(dimension.key for dimension in space.dimensions if dimension.grid() is None)
    return (
        f"a grid needs values that can be listed, and {keys} is an interval; list its values, or choose search=tpe"
    )


def _not_swept(key: str, known: list[str]) -> str:
    if not known:
        return f"{key} is not swept, and nothing else is; name what is searched in search.space, or after -m"
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


def read_space(
    arguments: Sequence[str],
    *,
    params: Mapping[str, Any] | None = None,
    loader: ConfigLoader | None = None,
    fixed: Callable[[str], Any] = lambda key: None,
    seed: int = 0,
) -> Space:
    """Read the space of a study from its overrides and from YAML.

    Args:
        arguments: overrides in Hydra's syntax; they win over `params`.
        params: key → sweep, as in `search.space`.
        loader: finds the options that `glob` stands for.
        fixed: looks up the value of a key that is not swept, for conditions.
        seed: decides the order that `shuffle` gives.

    Raises:
        ConfigError: with all that is wrong with it.
    """
    entries: dict[str, str | Dimension] = {}
    problems: list[Problem] = []
    for index, override in enumerate(
        OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    ):
        assert override.input_line is not None
        name = _bare(override.get_key_element())
        if override.is_list_extend():
            name = f"{name}#{index}"
        try:
            swept = override.is_sweep_override()
            entries[name] = dimension_from_override(override, seed=seed) if swept else override.input_line
        except ConfigError as error:
            problems += error.problems
    from_yaml: dict[str, str | Dimension] = {}
    for key, node in (params or {}).items():
        if _bare(key) not in entries:
            try:
                from_yaml[_bare(key)] = dimension_from_yaml(key, node, loader, seed=seed)
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)
    space = Space((*from_yaml.values(), *entries.values()), fixed)
    if problems := list(_idle_conditions(space)):
        raise ConfigError(problems)
    return space


def _idle_conditions(space: Space) -> Iterator[Problem]:
    """Refuse conditions that nothing can meet: their dimension would never be searched."""
    known = {_bare(dimension.key): dimension for dimension in space.dimensions}
    for dimension in space.dimensions:
        for key, accepted in dimension.when.items():
            owner, where = known.get(_bare(key)), f"search.space.{dimension.key}"
            if owner is None and space.fixed(_bare(key)) is None and None not in accepted:
                hint = did_you_mean(key, list(known))
                rule = f"its condition asks for {key}, which is no key here{';' + hint if hint else ''}"
                yield Problem(where, rule)
            elif isinstance(owner, Choice):
                for value in accepted:
                    if not any(space.accepts(text, [value]) for text in owner.texts):
                        rule = f"its condition asks for {key}={value}, which is none of {', '.join(owner.texts)}"
                        yield Problem(where, rule)


def _bare(key: str) -> str:
    return key.lstrip("+")
