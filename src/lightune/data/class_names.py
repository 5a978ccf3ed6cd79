"""Names of classes as files have them: their order, and what is no set of classes."""

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from lightune.errors import ConfigError, Problem

__all__ = [
    "PosLabel",
    "encoded_twice",
    "in_order",
    "require_classes",
    "require_no_positive",
    "several_labels",
    "twins_among",
    "with_positive_last",
]

PosLabel = str | int | float | bool | None
"""How the positive of two classes may be named: a number or true is as good as its text."""

_MOST_CLASSES, _MOST_FRACTIONS = 100, 20  # that are whole numbers, or others: beyond, they are values
_SEPARATORS = ";|,"
_SWITCHES = {True: ("true", "yes", "on"), False: ("false", "no", "off")}  # as YAML takes them


def in_order(names: Collection[str]) -> list[str]:
    """Return names of classes sorted: by value, where all of them are numbers."""
    values = _values(names)
    return sorted(names) if values is None else sorted(names, key=lambda name: (values[name], name))


def require_classes(
    names: Collection[str], key: str, *, subject: str = "", regression: str = "", whole: bool = False
) -> None:
    """Refuse names that are no set of classes, or ones that differ in case only.

    Args:
        names: of the classes.
        key: of the configuration, that a refusal names.
        subject: what has these classes, such as a column; empty where the key says so.
        regression: the option that takes values; empty where there is none.
        whole: whether more than a hundred whole numbers are values, too, and not the numbers of classes.

    Raises:
        ConfigError: with what is wrong.
    """
    if twins := twins_among({name: name.casefold() for name in names}):
        rule = f"has classes that differ in case only: {twins}; write them alike"
        raise ConfigError([Problem(key, f"{subject} {rule}".strip())])
    if rule := encoded_twice(names):
        raise ConfigError([Problem(key, f"{subject} {rule}".strip())])
    if cell := several_labels(names):
        rule = f"lists several classes at once, as in {cell!r}, where a sample has one"
        advice = "make a column of yes and no for each class, and train a run on each"
        raise ConfigError([Problem(key, f"{subject} {rule}; {advice}".strip())])
    values = _values(names)
    if values is None:
        return
    are_whole = all(map(float.is_integer, values.values()))
    if len(names) > (_MOST_CLASSES if are_whole else _MOST_FRACTIONS) and (whole or not are_whole):
        advice = f"choose data={regression}" if regression else "values are for data of your own, or for a table"
        rule = f"has {len(names):,} different numbers, which are no classes; {advice}"
        raise ConfigError([Problem(key, f"{subject} {rule}".strip())])


def with_positive_last(names: Sequence[str], pos_label: PosLabel, *, subject: str = "") -> list[str]:
    """Return names of two classes with the positive one last: metrics of two classes are about that.

    Args:
        names: of the classes, in order; they stay so where nothing is said.
        pos_label: the positive one; None for the last of them.
        subject: what has these classes, such as a column; empty where the key says so.

    Raises:
        ConfigError: if there are not two classes, or none is called so.
    """
    if pos_label is None:
        return list(names)
    there = f"{subject} has {', '.join(names)}" if subject else f"the classes are {', '.join(names)}"
    if len(names) != 2:
        rule = f"is for two classes, and there are {len(names)}, got {pos_label}"
        raise ConfigError([Problem("data.pos_label", f"{rule}; set it to null")])
    named = [name for name in names if name == str(pos_label)] or [
        name for name in names if _means(name, pos_label)
    ]
    if len(named) != 1:
        raise ConfigError(
            [Problem("data.pos_label", f"must be one of the two classes ({there}), got {pos_label}")]
        )
    return sorted(names, key=lambda name: name == named[0])


def require_no_positive(pos_label: PosLabel) -> None:
    """Refuse a positive class where values are predicted.

    Raises:
        ConfigError: if one is named.
    """
    if pos_label is not None:
        rule = f"is for two classes, and values are predicted, got {pos_label}; set it to null"
        raise ConfigError([Problem("data.pos_label", rule)])


def _means(name: str, pos_label: PosLabel) -> bool:
    if isinstance(pos_label, bool):
        return name.casefold() in _SWITCHES[pos_label]
    values = _values([name, str(pos_label)])
    return values is not None and len(set(values.values())) == 1


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


def encoded_twice(names: Collection[str]) -> str:
    """Return what is wrong with names that look alike, and encode accents differently; nothing of others."""
    twins = twins_among({name: unicodedata.normalize("NFC", name) for name in names})
    return (
        f"has classes of the same letters in two encodings: {twins}; write them alike (Unicode's NFC)"
        if twins
        else ""
    )


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
