"""The points at which a space is judged: the first, and each other end of what is swept, one key at a time.

This module must not import Optuna, torch or Lightning.
"""

from dataclasses import dataclass
from typing import Any

from lightune.study.space.space import Point, Space

__all__ = ["End", "ends_of"]

_MOST = 200


@dataclass(frozen=True)
class End:
    """A point at an end of a space.

    Args:
        point: with what its conditions ask for.
        keys: whose values no point before it has; of the first point, all that it has.
    """

    point: Point
    keys: tuple[str, ...]


def ends_of(space: Space) -> list[End]:
    """Return the points at which a space is judged, 201 at most.

    Args:
        space: of a study.
    """
    base = _complete(space, {})
    pairs = [(dimension.key, text) for dimension in space.dimensions for text in dimension.edges()]
    others = [(key, text) for key, text in pairs if base.get(key) != text][:_MOST]
    return [End(base, tuple(base)), *(End(_complete(space, {key: text}), (key,)) for key, text in others)]


def _complete(space: Space, wanted: Point) -> Point:
    """Return a point that has the wanted values and, elsewhere, the first that makes them possible."""
    point: Point = {}
    needed: dict[str, Any] = {}
    for dimension in reversed(space.dimensions):  # what a condition stands on may have a condition itself
        if dimension.key in wanted or dimension.key.lstrip("+") in needed:
            needed = {**{key.lstrip("+"): values for key, values in dimension.when.items()}, **needed}
    for dimension in space.dimensions:
        if not space.is_active(dimension, point):
            continue
        texts = dimension.edges()
        accepted = needed.get(dimension.key.lstrip("+"))
        if accepted is not None:
            texts = tuple(text for text in texts if space.accepts(text, accepted)) or texts
        point[dimension.key] = wanted.get(dimension.key, texts[0])
    return point
