"""The cells of a column as they stand in a file, without each equal text being held, and judged, for itself."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, compress, islice
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lightune.validation import Indices

__all__ = [
    "NEW",
    "CellCollector",
    "Cells",
    "Codes",
    "Flags",
    "Numbers",
    "columns_of",
    "numbers_of",
]

Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]

_CODE = re.compile(r"^[+-]?0\d+$", re.MULTILINE)  # a whole number that begins with a zero
_DIGITS = b"0123456789+-.eE\n"
NEW = 0.25
"""Share of different texts among cells, beyond which numbering them takes longer than it saves."""

_LOOKED_AT = 20_000  # cells of a column, after which it is known whether their texts repeat
_AT_ONCE = 500  # rows: fewer lists than make Python look for garbage among all there are


class Numbers(NamedTuple):
    """Numbers that texts are.

    Args:
        values: (n,) float64, finite.
        with_codes: whether one begins with a zero, as codes do: `01234`.
        with_points: whether one is written with a point.
    """

    values: NDArray[np.float64]
    with_codes: bool
    with_points: bool


def numbers_of(texts: Sequence[str], decimal: str = ".") -> Numbers | None:
    """Return the finite numbers that texts are, such as `-3`, `2.5`, `1e-3`, `01`; None if one is none."""
    written = "\n".join(texts)
    lines = written.replace(",", ".") if decimal == "," else written
    if not lines.isascii() or lines.encode().translate(None, _DIGITS):
        return None
    try:
        values = np.fromiter(map(float, lines.split("\n") if texts else ()), np.float64)
    except ValueError:
        return None
    if len(values) != len(texts) or not np.isfinite(values).all():  # a text may have two lines
        return None
    return Numbers(values, bool(_CODE.search(written)), "." in written)


class Cells(Sequence[str]):
    """A sequence of texts, equal to any other of the same texts.

    Args:
        texts: of the cells; of few different ones each stands here once.
        codes: (N,) place in `texts` of each cell's text; None for one text a cell.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, texts: list[str], codes: Codes | None = None) -> None:
        self.texts, self._codes = texts, codes
        self.remembered: dict[Any, Any] = {}  # what was found of the texts

    @classmethod
    def of(cls, cells: Sequence[str]) -> "Cells":
        """Return any texts so; what is so already is not copied."""
        if isinstance(cells, Cells):
            return cells
        if len(set(cells)) > NEW * len(cells):
            return cls(list(cells))
        collector = CellCollector()
        collector.add(cells)
        return collector.cells()

    @classmethod
    def joined(cls, parts: Sequence["Cells"]) -> "Cells":
        """Return the cells of some columns, one below the other."""
        collector = CellCollector()
        for part in parts:
            for first in range(0, len(part), _LOOKED_AT):
                collector.add(part[first : first + _LOOKED_AT])
        return collector.cells()

    @cached_property
    def codes(self) -> Codes:
        """(N,) place in `texts` of each cell's text."""
        return np.arange(len(self.texts), dtype=np.int32) if self._codes is None else self._codes

    @cached_property
    def bare(self) -> list[str]:
        """The texts without the spaces around them."""
        bare = list(map(str.strip, self.texts))
        return self.texts if bare == self.texts else bare

    def among(self, values: Collection[str]) -> Flags:
        """Return for each of the texts whether it is one of some values, spaces around it left out."""
        known = frozenset(values)
        if known not in self.remembered:
            self.remembered[known] = np.fromiter(map(known.__contains__, self.bare), np.bool_, len(self.bare))
        flags: Flags = self.remembered[known]
        return flags

    def but(self, values: Collection[str]) -> list[str]:
        """Return the texts without spaces around them, but for those that are one of some values."""
        left_out = self.among(values)
        return list(compress(self.bare, ~left_out)) if left_out.any() else self.bare

    def different(self, left_out: Collection[str]) -> int:
        """Return how many different texts there are, spaces around them left out, but for some values."""
        return len(set(self.but(left_out)))

    def numbers(self, left_out: Collection[str], decimal: str) -> "Numbers | None":
        """Return the finite numbers (n,) that the texts are but for some values; None if one is none.

        Args:
            left_out: texts that need be none.
            decimal: what stands before decimals; a point does beside a comma.
        """
        name = decimal, frozenset(left_out)
        if name not in self.remembered:
            self.remembered[name] = self._numbers(left_out, decimal)
        known: Numbers | None = self.remembered[name]
        return known

    def _numbers(self, left_out: Collection[str], decimal: str) -> "Numbers | None":
        return numbers_of(self.but(left_out), decimal)

    def count(self, flagged: Flags) -> int:
        """Return how many cells hold a text that is flagged."""
        return int((flagged if self._codes is None else flagged[self._codes]).sum())

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return for each cell (N,) the value of its text."""
        return values if self._codes is None else values[self._codes]

    def only(self, rows: Indices) -> Self:
        """Return the cells of some rows."""
        there, codes = np.unique(self.codes[rows], return_inverse=True)
        texts = list(map(self.texts.__getitem__, there.tolist()))
        return type(self)(texts, codes.reshape(-1).astype(np.int32))

    def __len__(self) -> int:
        return len(self.texts) if self._codes is None else len(self._codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts) if self._codes is None else map(self.texts.__getitem__, self._codes.tolist())

    def __getitem__(self, place: Any) -> Any:
        if self._codes is None:
            return self.texts[place]
        chosen = self._codes[place]
        return [self.texts[each] for each in chosen.tolist()] if isinstance(place, slice) else self.texts[chosen]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"Cells({list(self)!r})"


class CellCollector:
    """Gather the cells of a column, some at a time.

    Texts are numbered as long as they repeat: of a column of numbers each cell's own text is kept.

    Args:
        looked_at: cells, after which it is known whether they do.
    """

    def __init__(self, looked_at: int = _LOOKED_AT) -> None:
        self._looked_at = looked_at
        number: defaultdict[str, int] = defaultdict()
        number.default_factory = number.__len__  # a text that is new has the next number
        self._number: defaultdict[str, int] | None = number
        self._codes: list[Codes] = []
        self._texts: list[Sequence[str]] = []
        self._count = 0

    def add(self, cells: Sequence[str]) -> None:
        """Take more cells, which are not to be changed later."""
        self._count += len(cells)
        if self._number is None:
            self._texts.append(cells)
            return
        self._codes.append(np.fromiter(map(self._number.__getitem__, cells), np.int32, len(cells)))
        if self._count >= self._looked_at and len(self._number) > NEW * self._count:
            self._texts = [self._numbered()]
            self._number.default_factory = None  # which holds the numbers themselves, and so the texts
            self._number = None

    def cells(self) -> Cells:
        """Return all of them; nothing can be added any more."""
        if self._number is None:
            return Cells(list(chain.from_iterable(self._texts)))
        self._number.default_factory = None  # as above
        return self._numbered()

    def _numbered(self) -> Cells:
        assert self._number is not None
        codes = np.concatenate(self._codes) if self._codes else np.empty(0, np.int32)
        return Cells(list(self._number), codes)


def columns_of(rows: Iterable[Sequence[str]], width: int, *, looked_at: int = _LOOKED_AT) -> list[Cells]:
    """Return the cells of each column of rows that are given one by one.

    Args:
        rows: of `width` cells each.
        width: number of columns.
        looked_at: cells, after which it is known whether the texts of a column repeat.
    """
    collectors = [CellCollector(looked_at) for _ in range(width)]
    waiting = iter(rows)
    while chunk := list(islice(waiting, _AT_ONCE)):
        for collector, cells in zip(collectors, zip(*chunk, strict=True), strict=True):
            collector.add(cells)
    return [collector.cells() for collector in collectors]
