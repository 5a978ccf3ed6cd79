"""The columns of a table: what each one is, decided once from its text, and kept with the network.

Rules, in their order:

1. A cell is missing if it is one of `na_values`, spaces around it left out.
2. A column is numeric if all its other cells are numbers: `-3`, `2.5`, `1e-3`; with `decimal` a comma, `2,5`. A
   number that begins with a zero, `01234`, is a code: it stays text. So do `1_000`, `1,234.5`, `True` and dates.
3. Of the rest, a column of dates is left out, as is one in which nearly every row has a value of its own: names,
   addresses, identifiers. Any other column is categorical.
4. A column that never varies is left out.

Which columns are numeric, categorical or left out can be said instead.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isinf
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lightune.data.cells import Cells, numbers_of
from lightune.paths import typed_override
from lightune.wording import counted

__all__ = [
    "Column",
    "Decimal",
    "Kind",
    "decide",
    "numbers_among",
    "parse_categories",
    "parse_numbers",
    "raw_rows",
    "used",
]

Kind = Literal["numeric", "categorical", "ignored"]
Decimal = Literal["auto", ".", ","]
Floats = NDArray[np.float64]

NA_VALUES = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "?")
"""Cells that stand for a missing value, unless others are named."""

MISSING, UNKNOWN = -1.0, -2.0
"""The code of a category that is missing, and of one that was not there when the columns were decided on."""

_DECIMAL = re.compile(r"[+-]?\d+\.?\d*([eE][+-]?\d+)?", re.ASCII)
_MARKS = frozenset(
    (
        *(
            "-",
            "--",
            "---",
            "\u2013",
            "\u2014",
            ".",
            "..",
            "...",
            "*",
            "none",
            "nil",
            "nat",
            "-nan",
            "na",
            "n.a.",
            "k.a.",
        ),
        *("missing", "unknown", "not available", "#value!", "#div/0!", "#ref!", "#num!", "#name?"),
    )
)  # among numbers, which are then very likely missing
_BELOW_THOUSAND = re.compile(r"[+-]?\d{1,3}")
_MARKS_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_MARKED = (
    "a comma that marks thousands is not read; remove it, or say data.decimal=',' if it stands before decimals"
)
_AS_DECIMALS = "has a comma in every number, read as standing before decimals; if it marks thousands, remove it"
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DATE = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{4}/\d{1,2}/\d{1,2})([ T]\d{1,2}:\d{2}.*)?"
)
_IDENTIFIER = re.compile(r"(^|[^a-z])(id|key|code|number|no|nr)$|(?-i:[a-z]I[Dd])$", re.IGNORECASE)
_FEW = 20  # distinct values that a categorical column may always have
_OWN = 0.5  # share of a text column's cells, beyond which distinct values are no categories
_STRAY = 0.1  # share of distinct cells that keep a column of numbers from being numeric, which is worth a word


@dataclass(frozen=True)
class Column:
    """What one column is.

    Args:
        name: as the header has it.
        kind: how it serves.
        decimal: what stands before the decimals of a number.
        categories: the distinct values of a categorical column, sorted.
        missing: how many cells are missing.
        distinct: how many different values there are.
        note: what a person should know of the decision; empty if nothing.
    """

    name: str
    kind: Kind
    decimal: str = "."
    categories: tuple[str, ...] = ()
    missing: int = 0
    distinct: int = 0
    note: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as texts, numbers and lists."""
        return {**asdict(self), "categories": list(self.categories)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return what `plain` was made of."""
        return cls(**{**plain, "categories": tuple(plain["categories"])})


def decide(
    name: str,
    cells: Sequence[str],
    *,
    na_values: Collection[str],
    decimal: Decimal = ".",
    kind: Kind | None = None,
) -> Column:
    """Decide what a column is.

    Args:
        name: of the column.
        cells: its text, row by row.
        na_values: what stands for a missing value.
        decimal: what stands before decimals; `auto` tries the point, then the comma.
        kind: what it is said to be; None to decide.

    Raises:
        ValueError: if it is said to be numeric and has cells that are no numbers, or if it has infinite numbers.
    """
    cells = Cells.of(cells)
    different, missing = cells.different(na_values), cells.count(cells.among(na_values))
    column = Column(name, "ignored", missing=missing, distinct=different)
    if kind == "ignored":
        return replace(column, note="as data.ignore says")
    if kind == "categorical":
        return replace(column, kind="categorical", categories=tuple(sorted(set(cells.but(na_values)))))
    if kind is None and different < 2 and not (missing and different):
        return replace(column, note="never varies" if different else "has no values")
    points, thousands = (".", ",") if decimal == "auto" else (decimal,), ""
    for point in points:
        marks = _thousands(cells.but(na_values)) if (point, decimal) == (",", "auto") else None
        if marks is True:
            points, thousands = (".",), f"; {_MARKED}"
            break
        found = cells.numbers(na_values, point) if different else None
        if found is None or (point == "," and found.with_points):
            continue
        if kind == "numeric" or not found.with_codes:
            note = _identifier(name, cells, column, point) if marks is None else _AS_DECIMALS
            return replace(column, kind="numeric", decimal=point, note=note)
    distinct = set(cells.but(na_values))
    strays = min((_strays(distinct, point) for point in points), key=len)
    if kind == "numeric":
        raise ValueError(f"{name} has cells that are no numbers ({_listed(strays)}{thousands})")
    if thousands:
        return replace(column, kind="ignored", note=f"{_listed(strays)}: {_MARKED}")
    if strays and all(map(_is_infinite, strays)) and len(distinct) > len(strays):
        count = cells.count(cells.among(strays))
        advice = "add it to data.na_values to read it as missing"
        raise ValueError(f"{name} has {counted(count, 'infinite value')} ({_listed(strays)}); {advice}")
    if distinct and all(_DATE.fullmatch(value) for value in distinct):
        return replace(column, note="holds dates; numbers made of them, such as a month or an age, would be used")
    note = ""
    are_marks = len(distinct) - len(strays) > 1 and all(each.casefold() in _MARKS for each in strays)
    if strays and (are_marks or (len(strays) <= _STRAY * len(distinct) and len(distinct) > _FEW)):
        typed = typed_override("data.na_values", [*na_values, *strays])
        note = f"numbers but for {_listed(strays)}: {typed} reads that as missing"
    if len(distinct) > max(_FEW, _OWN * (len(cells) - missing)):
        return replace(column, note=note or "nearly every row has a value of its own")
    return replace(column, kind="categorical", categories=tuple(sorted(distinct)), note=note)


def parse_numbers(column: Column, cells: Sequence[str], na_values: Collection[str]) -> tuple[Floats, int]:
    """Return the numbers (N,) of a numeric column, NaN where one is missing, and how many cells are none.

    A cell that is neither missing nor a number, which can only be in a file that came later, counts as missing.
    """
    cells = Cells.of(cells)
    absent = cells.among(na_values)
    numbers = np.full(len(cells.texts), np.nan)
    found = cells.numbers(na_values, column.decimal)
    if found is not None:
        numbers[~absent] = found.values
        return cells.spread(numbers), 0
    single = [numbers_of([text], column.decimal) for text in cells.but(na_values)]
    numbers[~absent] = [np.nan if value is None else value.values[0] for value in single]
    strays = np.zeros(len(absent), dtype=np.bool_)
    strays[~absent] = [value is None for value in single]
    return cells.spread(numbers), cells.count(strays)


def parse_categories(column: Column, cells: Sequence[str], na_values: Collection[str]) -> tuple[Floats, int]:
    """Return the codes (N,) of a categorical column, and how many cells hold none of its categories.

    The code is the place in `categories`; -1 where the cell is missing, -2 where it holds none of them.
    """
    cells = Cells.of(cells)
    codes = {value: float(place) for place, value in enumerate(column.categories)}
    known = np.array([codes.get(text, UNKNOWN) for text in cells.bare])
    known[cells.among(na_values)] = MISSING
    return cells.spread(known), cells.count(known == UNKNOWN)


def numbers_among(na_values: Iterable[str]) -> list[float]:
    """Return the numbers, such as -999, that stand for a missing value."""
    return [float(value) for value in na_values if numbers_of([value]) is not None]


def used(columns: Sequence[Column]) -> list[Column]:
    """Return the columns of a raw row in their order: numbers, then categories."""
    return [column for kind in ("numeric", "categorical") for column in columns if column.kind == kind]


def raw_rows(
    table: Mapping[str, Sequence[str]], columns: Sequence[Column], na_values: Sequence[str]
) -> tuple[Floats, dict[str, int]]:
    """Return raw rows (N, F + C), and column → how many of its cells are no numbers or unknown.

    Args:
        table: column → its cells; a column that is not there is missing in every row.
        columns: what they are.
        na_values: cells that stand for a missing value.
    """
    served, unfit = used(columns), {}
    raw = np.empty((len(next(iter(table.values()))), len(served)))
    for place, column in enumerate(served):
        parse = parse_numbers if column.kind == "numeric" else parse_categories
        if column.name in table:
            raw[:, place], unfit[column.name] = parse(column, table[column.name], na_values)
        else:
            raw[:, place] = np.nan if column.kind == "numeric" else MISSING
    raw += 0.0  # which makes 0 of -0: equal rows have equal bytes
    return raw, {name: number for name, number in unfit.items() if number}


def _thousands(values: Iterable[str]) -> bool | None:
    """Tell whether a comma marks thousands: True; False if it may stand before decimals, too; None if it cannot.

    Where it marks thousands, and some numbers are below one thousand, these have none.
    """
    different = set(values)
    marked = {value for value in different if "," in value}
    if not marked or not all(map(_MARKS_THOUSANDS.fullmatch, marked)):
        return None
    bare = different - marked
    if not bare:
        return False
    return True if all(map(_BELOW_THOUSAND.fullmatch, bare)) else None


def _strays(values: Iterable[str], decimal: str) -> list[str]:
    return sorted(value for value in values if not _is_number(value, decimal))


def _is_number(value: str, decimal: str) -> bool:
    found = numbers_of([value], decimal)
    return found is not None and not found.with_codes and not (decimal == "," and found.with_points)


def _is_infinite(value: str) -> bool:
    """Return True of `inf`, and of a number that is too large for any float."""
    return bool(_INFINITE.fullmatch(value)) or bool(_DECIMAL.fullmatch(value) and isinf(float(value)))


def _identifier(name: str, cells: Cells, column: Column, decimal: str) -> str:
    """Return a word on a column that only numbers the rows, or is called an identifier and never repeats."""
    rows = len(cells)
    if decimal != "." or column.distinct != rows or rows <= _FEW or not all(map(str.isdecimal, cells.bare)):
        return ""
    numbers = [int(value) for value in cells.bare]
    if max(numbers) - min(numbers) == rows - 1:
        return "numbers the rows: is it an identifier? data.ignore leaves it out"
    is_called_so = _IDENTIFIER.search(name)
    return "is another number in each row: is it an identifier? data.ignore leaves it out" if is_called_so else ""


def _listed(values: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(values) - shown} more" if len(values) > shown else ""
    return ", ".join(repr(value) for value in values[:shown]) + more
