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
from math import isfinite
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

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

NA_VALUES = ("", "NA", "NaN", "nan", "null", "?")
"""Cells that stand for a missing value, unless others are named."""

MISSING, UNKNOWN = -1.0, -2.0
"""The code of a category that is missing, and of one that was not there when the columns were decided on."""

_DIGITS = frozenset("0123456789+-.eE\n")
_CODE = re.compile(r"^[+-]?0\d+$", re.MULTILINE)
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
    distinct = {cell.strip() for cell in set(cells)} - set(na_values)
    missing = _missing(cells, na_values)
    column = Column(name, "ignored", missing=missing, distinct=len(distinct))
    if kind == "ignored":
        return replace(column, note="as data.ignore says")
    if kind == "categorical":
        return replace(column, kind="categorical", categories=tuple(sorted(distinct)))
    if kind is None and len(distinct) < 2 and not (missing and distinct):
        return replace(column, note="never varies" if distinct else "has no values")
    points = (".", ",") if decimal == "auto" else (decimal,)
    for point in points:
        if _are_numbers(distinct, point, codes=kind == "numeric"):
            return replace(
                column, kind="numeric", decimal=point, note=_identifier(name, distinct, point, len(cells))
            )
    strays = min((_strays(distinct, point) for point in points), key=len)
    if kind == "numeric":
        raise ValueError(f"{name} has cells that are no numbers ({_listed(strays)}); add them to data.na_values")
    if strays and all(map(_INFINITE.fullmatch, strays)) and len(distinct) > len(strays):
        count = sum(cell.strip() in strays for cell in cells)
        several = "s" if count > 1 else ""
        advice = "add it to data.na_values to read it as missing"
        raise ValueError(f"{name} has {count} infinite value{several} ({_listed(strays)}); {advice}")
    if distinct and all(_DATE.fullmatch(value) for value in distinct):
        return replace(column, note="holds dates; numbers made of them, such as a month or an age, would be used")
    note = ""
    if strays and len(strays) <= _STRAY * len(distinct) and len(distinct) > _FEW:
        note = f"numbers but for {_listed(strays)}: data.na_values would read that as missing"
    if len(distinct) > max(_FEW, _OWN * (len(cells) - missing)):
        return replace(column, note=note or "nearly every row has a value of its own")
    return replace(column, kind="categorical", categories=tuple(sorted(distinct)), note=note)


def parse_numbers(column: Column, cells: Sequence[str], na_values: Collection[str]) -> tuple[Floats, int]:
    """Return the numbers (N,) of a numeric column, NaN where one is missing, and how many cells are none.

    A cell that is neither missing nor a number, which can only be in a file that came later, counts as missing.
    """
    if column.decimal == ",":
        cells = [cell.replace(",", ".") for cell in cells]
        na_values = [value.replace(",", ".") for value in na_values]
    if not numbers_among(na_values) and _DIGITS.issuperset("".join(cells)):
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
            if np.isfinite(values).all():
                return values, 0
        except ValueError:
            pass
    known: dict[str, float] = {}
    strays = set()
    for cell in set(cells):
        bare = cell.strip()
        is_number = bare not in na_values and _are_numbers([bare], ".", codes=True)
        known[cell] = float(bare) if is_number else np.nan
        if not is_number and bare not in na_values:
            strays.add(cell)
    values = np.fromiter(map(known.__getitem__, cells), np.float64, len(cells))
    return values, sum(map(strays.__contains__, cells)) if strays else 0


def parse_categories(column: Column, cells: Sequence[str], na_values: Collection[str]) -> tuple[Floats, int]:
    """Return the codes (N,) of a categorical column, and how many cells hold none of its categories.

    The code is the place in `categories`; -1 where the cell is missing, -2 where it holds none of them.
    """
    codes = {value: float(place) for place, value in enumerate(column.categories)}
    known: dict[str, float] = {}
    for cell in set(cells):
        bare = cell.strip()
        known[cell] = MISSING if bare in na_values else codes.get(bare, UNKNOWN)
    values = np.fromiter(map(known.__getitem__, cells), np.float64, len(cells))
    return values, int((values == UNKNOWN).sum())


def numbers_among(na_values: Iterable[str]) -> list[float]:
    """Return the numbers, such as -999, that stand for a missing value."""
    return [float(value) for value in na_values if _are_numbers([value], ".", codes=True)]


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


def _missing(cells: Sequence[str], na_values: Collection[str]) -> int:
    there = {cell for cell in set(cells) if cell.strip() in na_values}
    return sum(map(there.__contains__, cells)) if there else 0


def _are_numbers(values: Collection[str], decimal: str, *, codes: bool = False) -> bool:
    """Return True if all texts are numbers; codes that begin with a zero are, if they are said to be."""
    text = "\n".join(values)
    if decimal == ",":
        if "." in text:
            return False
        text = text.replace(",", ".")
    if not _DIGITS.issuperset(text) or (not codes and _CODE.search(text)):
        return False
    try:
        return all(map(isfinite, map(float, text.split("\n")))) if values else False
    except ValueError:
        return False


def _strays(values: Iterable[str], decimal: str) -> list[str]:
    return sorted(value for value in values if not _are_numbers([value], decimal))


def _identifier(name: str, distinct: Collection[str], decimal: str, rows: int) -> str:
    """Return a word on a column that only numbers the rows, or is called an identifier and never repeats."""
    if decimal != "." or len(distinct) != rows or rows <= _FEW or not all(map(str.isdecimal, distinct)):
        return ""
    numbers = [int(value) for value in distinct]
    if max(numbers) - min(numbers) == rows - 1:
        return "numbers the rows: is it an identifier? data.ignore leaves it out"
    is_called_so = _IDENTIFIER.search(name)
    return "is another number in each row: is it an identifier? data.ignore leaves it out" if is_called_so else ""


def _listed(values: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(values) - shown} more" if len(values) > shown else ""
    return ", ".join(repr(value) for value in values[:shown]) + more
