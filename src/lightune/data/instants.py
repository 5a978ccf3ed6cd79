"""Points in time, from the cells of a column: dates, times, or numbers."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

__all__ = ["instants"]

_DATE = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")


def instants(name: str, cells: Sequence[str], na_values: Collection[str]) -> NDArray[np.float64]:
    """Return the point in time (N,) of each cell, NaN where it is missing: seconds, or numbers as they are.

    Dates are `2021-05-31`, `2021/5/31`, `31.5.2021`, or `5/31/2021` where days can be told from months; perhaps
    with a time behind them. Without a time zone they are taken as UTC.

    Args:
        name: of the column.
        cells: its text, row by row.
        na_values: what stands for a missing value.

    Raises:
        ValueError: if a cell is neither.
    """
    distinct = {cell: cell.strip() for cell in set(cells)}
    texts = {text for text in distinct.values() if text not in na_values}
    known = _numbers(texts) or _dates(name, texts)
    values = {cell: known.get(text, np.nan) for cell, text in distinct.items()}
    return np.fromiter(map(values.__getitem__, cells), np.float64, len(cells))


def _numbers(texts: Collection[str]) -> dict[str, float]:
    try:
        known = {text: float(text) for text in texts}
    except ValueError:
        return {}
    return known if np.isfinite(list(known.values())).all() else {}


def _dates(name: str, texts: Collection[str]) -> dict[str, float]:
    parts = {text: _DATE.fullmatch(text) for text in texts}
    slashed = [match for match in parts.values() if match and match[2] == "/" and len(match[1]) < 3]
    days_first, months_first = (any(int(match[group]) > 12 for match in slashed) for group in (1, 3))
    if slashed and days_first == months_first:
        raise ValueError(f"{name}: days cannot be told from months in dates such as {slashed[0][0]!r}")
    known = {}
    for text, match in parts.items():
        try:
            known[text] = _timestamp(text, match, months_first=months_first)
        except ValueError as error:
            raise ValueError(f"{name} must hold dates or numbers, got {text!r}") from error
    return known


def _timestamp(text: str, match: re.Match[str] | None, *, months_first: bool) -> float:
    if match is None:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    first, second, third = int(match[1]), int(match[3]), int(match[4])
    if len(match[1]) == 4:
        year, month, day = first, second, third
    else:
        day, month, year = (second, first, third) if months_first and match[2] == "/" else (first, second, third)
        year += (2000 if year < 70 else 1900) if len(match[4]) <= 2 else 0
    hour, minute, second_of_minute = (int(each or 0) for each in match.groups()[4:])
    return datetime(year, month, day, hour, minute, second_of_minute, tzinfo=UTC).timestamp()
