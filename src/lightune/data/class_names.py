"""Names of classes as files have them: their order, and what is no set of classes."""

import math
from collections import Counter
from collections.abc import Collection, Mapping

from lightune.errors import ConfigError, Problem

__all__ = ["in_order", "require_classes", "several_labels", "twins_among"]

_MOST_CLASSES, _MOST_FRACTIONS = 100, 20  # that are whole numbers, or others: beyond, they are values
_SEPARATORS = ";|,"


def in_order(names: Collection[str]) -> list[str]:
    """Return names of classes sorted: by value, where all of them are numbers."""
    values = _values(names)
    return sorted(names) if values is None else sorted(names, key=lambda name: (values[name], name))


def require_classes(names: Collection[str], key: str, *, subject: str = "", regression: str = "") -> None:
    """Refuse names that are no set of classes, or ones that differ in case only.

    Args:
        names: of the classes.
        key: of the configuration, that a refusal names.
        subject: what has these classes, such as a column; empty where the key says so.
        regression: the option that takes values; empty where there is none, and whole numbers may be any classes.

    Raises:
        ConfigError: with what is wrong.
    """
    if twins := twins_among({name: name.casefold() for name in names}):
        rule = f"has classes that differ in case only: {twins}; write them alike"
        raise ConfigError([Problem(key, f"{subject} {rule}".strip())])
    if cell := several_labels(names):
        rule = f"lists several classes at once, as in {cell!r}, where a sample has one"
        advice = "make a column of yes and no for each class, and train a run on each"
        raise ConfigError([Problem(key, f"{subject} {rule}; {advice}".strip())])
    values = _values(names)
    if values is None:
        return
    whole = all(map(float.is_integer, values.values()))
    if len(names) > (_MOST_CLASSES if whole else _MOST_FRACTIONS) and (regression or not whole):
        advice = f"choose data={regression}" if regression else "values are for data of your own, or for a table"
        rule = f"has {len(names):,} different numbers, which are no classes; {advice}"
        raise ConfigError([Problem(key, f"{subject} {rule}".strip())])


def several_labels(names: Collection[str]) -> str:
    """Return a name that lists others, such as `a;b` beside `a` and `b;c`; empty if there is none.

    A name that holds a separator is one class, unless each of its parts is also a class or a part of another.
    """
    for separator in _SEPARATORS:
        lists = {name: {part.strip() for part in name.split(separator)} for name in names if separator in name}
        times = Counter(part for parts in lists.values() for part in parts)
        for name, parts in lists.items():
            if all(parts) and all(part in names or times[part] > 1 for part in parts):
                return name
    return ""


def twins_among(meant: Mapping[str, object]) -> str:
    """List the names that mean the same: `'a' and 'A', 'b' and 'B'`; nothing if all differ.

    Args:
        meant: name → what it means.
    """
    alike: dict[object, list[str]] = {}
    for name, what in meant.items():
        alike.setdefault(what, []).append(name)
    return ", ".join(" and ".join(map(repr, each)) for each in alike.values() if len(each) > 1)


def _values(names: Collection[str]) -> dict[str, float] | None:
    """Return name → its value, if all are finite numbers."""
    try:
        values = {name: float(name) for name in names}
    except ValueError:
        return None
    return values if all(map(math.isfinite, values.values())) else None
