"""`--where`, `--sort` and `--reverse`: which of some records, in which order; no word is evaluated as code.

This module must not import Optuna, torch or Lightning.
"""

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lightune.config.static.annotations import did_you_mean
from lightune.errors import ConfigError, Problem
from lightune.report.study_data import as_number

__all__ = ["Condition", "parse_where", "selected"]

Record = TypeVar("Record")
Cells = Mapping[str, Any]
_WORD = r"""'[^']*'|"[^"]*"|[^\s'"]+"""
_CONDITION = re.compile(rf"\s*([^\s=!<>~]+)\s*(==|=|!=|<=|>=|<|>|~)\s*({_WORD})\s*(and\b|&&|,|$)")
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_FORM = "conditions are KEY OP VALUE with 'and' between them, as in 'lr > 0.01 and state == completed'"


@dataclass(frozen=True)
class Condition:
    """One condition.

    Args:
        key: of a record's cell, as it was typed.
        sign: `=`, `!=`, `<`, `<=`, `>`, `>=`, or `~`, which asks whether a text holds another.
        value: as it was typed, without quotation marks.
    """

    key: str
    sign: str
    value: str

    def holds(self, cell: Any) -> bool:
        """Return True if a cell meets it; one that is empty meets `!=` alone."""
        if cell is None or cell == "":
            return self.sign == "!="
        if self.sign == "~":
            return self.value.lower() in str(cell).lower()
        one, other = as_number(cell), as_number(self.value)
        if self.sign in _NUMERIC:
            return one is not None and other is not None and _NUMERIC[self.sign](one, other)
        same = one == other if one is not None and other is not None else str(cell).lower() == self.value.lower()
        return same == (self.sign == "=")


def parse_where(text: str | None) -> list[Condition]:
    """Read conditions.

    Args:
        text: as it was typed; None for no condition.

    Raises:
        ConfigError: if it cannot be read, with its form.
    """
    found, place, text = [], 0, text or ""
    while place < len(text.rstrip()):
        match = _CONDITION.match(text, place)
        if match is None:
            rest = text[place:].strip()
            raise ConfigError([Problem("--where", f"cannot read {rest!r}; {_FORM}")])
        key, sign, value, joined = match.groups()
        quoted = value[:1] in ("'", '"')
        number = as_number(value)
        if sign in _NUMERIC and number is None:
            raise ConfigError([Problem("--where", f"{key} {sign} {value} compares with no number; use = or ~")])
        found.append(Condition(key, "=" if sign == "==" else sign, value[1:-1] if quoted else value))
        place = match.end()
        if joined and not text[place:].strip():
            raise ConfigError([Problem("--where", f"ends with what joins conditions; {_FORM}")])
    return found


def selected(
    records: Sequence[Record],
    cells: Callable[[Record], Cells],
    *,
    where: Sequence[Condition] = (),
    sort: str | None = None,
    reverse: bool = False,
    greatest_first: Collection[str] = (),
    names: Mapping[str, str] | None = None,
) -> list[Record]:
    """Return the records that meet all conditions, sorted; what has no value for the key comes last.

    Args:
        records: to choose from.
        cells: returns key → value of one.
        where: as `parse_where` returns them.
        sort: the key by which they are sorted; None for the order that they have.
        reverse: whether to turn the order round.
        greatest_first: keys of which the greatest comes first.
        names: other names of keys.

    Raises:
        ConfigError: if a key is none of the records'.
    """
    known = dict.fromkeys(key for record in records for key in cells(record))
    names = dict(names or {})
    problems = []
    asked = [("--where", each.key) for each in where] + ([("--sort", sort)] if sort else [])
    for option, key in asked:
        if records and key not in known and key not in names:
            hint = did_you_mean(key, [*known, *names]).strip()
            choices = ", ".join(dict.fromkeys([*names, *known]))
            rule = f"there is no {key};{' ' + hint + ';' if hint else ''} choose from {choices}"
            problems.append(Problem(option, rule))
    if problems:
        raise ConfigError(problems)

    def cell(record: Record, key: str) -> Any:
        held = cells(record)
        return held.get(key) if key in held else held.get(names.get(key, key))

    kept = [record for record in records if all(each.holds(cell(record, each.key)) for each in where)]
    if sort is None:
        return kept[::-1] if reverse else kept
    have = [record for record in kept if cell(record, sort) not in (None, "")]
    lack = [record for record in kept if cell(record, sort) in (None, "")]
    downwards = (names.get(sort, sort) in greatest_first) != reverse
    numbers = {id(record): as_number(cell(record, sort)) for record in have}
    if all(number is not None for number in numbers.values()):
        have.sort(key=lambda record: numbers[id(record)] or 0.0, reverse=downwards)
    else:
        have.sort(key=lambda record: str(cell(record, sort)), reverse=downwards)
    return [*have, *lack]
