"""Delimited files read by polars where it is installed, and only those that it reads as Python's csv module does.

These are files of UTF-8 without quotes, control characters, empty lines and lines of fewer or more cells than the
first. All others, and what must be refused, are left to the module that reads any. The columns are the same.
"""

import codecs
from collections.abc import Collection, Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lightune.data.cells import NEW, Cells, Flags, Numbers
from lightune.data.delimited import Dialect
from lightune.validation import Indices

__all__ = ["cells_of", "quick_columns"]

_WORTH_IT = 2**20  # bytes, below which importing polars takes longer than it saves
_BLOCK = 2**22
_STRANGE = bytes(set(range(32)) - set(b"\t\n\r")) + b'"'
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_CODE = r"^[+-]?0[0-9]+$"


def quick_columns(path: Path, dialect: Dialect, width: int) -> list[Cells] | None:
    """Return the cells of each column; None where the file is to be read in another way.

    Args:
        path: of the file.
        dialect: how it is written.
        width: how many columns its header names.

    Raises:
        OSError: if it cannot be read.
    """
    if path.stat().st_size < _WORTH_IT or path.suffix == ".gz" or not (rows := _plain_rows(path, dialect, width)):
        return None
    try:
        polars = import_module("polars")
    except ImportError:
        return None
    try:
        read = polars.read_csv(
            path,
            has_header=False,
            skip_rows=1,
            schema=dict.fromkeys(map(str, range(width)), polars.String),
            separator=dialect.delimiter,
            quote_char=None,
            glob=False,
        )
    except polars.exceptions.PolarsError:  # such as text that is no UTF-8
        return None
    return [cells_of(column) for column in read.iter_columns()] if read.height == rows else None


def cells_of(series: Any) -> Cells:
    """Return a column of polars, of texts, as cells; null is an empty text."""
    polars = import_module("polars")
    series = series.fill_null("")
    if series.n_unique() > NEW * len(series):
        return _SeriesCells(series)
    texts = series.unique(maintain_order=True)
    codes = series.cast(polars.Enum(texts)).to_physical().to_numpy()
    return Cells(texts.to_list(), codes.astype(np.int32))


class _SeriesCells(Cells):
    """Cells of many different texts, which polars holds and judges."""

    def __init__(self, series: Any) -> None:
        super().__init__([])
        del self.texts
        self._series = series

    @cached_property
    def texts(self) -> list[str]:  # type: ignore[override]
        """The texts of the cells."""
        texts: list[str] = self._series.to_list()
        return texts

    @cached_property
    def _bare(self) -> Any:
        return self._series.str.strip_chars()

    def among(self, values: Collection[str]) -> Flags:
        """Return for each of the texts whether it is one of some values, spaces around it left out."""
        flags: Flags = self._among(values).to_numpy()
        return flags

    def different(self, left_out: Collection[str]) -> int:
        """Return how many different texts there are, spaces around them left out, but for some values."""
        return int(self._but(left_out).n_unique())

    def only(self, rows: Indices) -> "Cells":  # type: ignore[override]
        """Return the cells of some rows."""
        return _SeriesCells(self._series.gather(rows))

    def __len__(self) -> int:
        return len(self._series)

    def _among(self, values: Collection[str]) -> Any:
        name = "among", frozenset(values)
        if name not in self.remembered:
            self.remembered[name] = self._bare.is_in(sorted(values))
        return self.remembered[name]

    def _but(self, left_out: Collection[str]) -> Any:
        return self._bare.filter(~self._among(left_out))

    def _numbers(self, left_out: Collection[str], decimal: str) -> Numbers | None:
        texts = self._but(left_out)
        plain = texts.str.replace_all(",", ".", literal=True) if decimal == "," else texts
        if not plain.str.contains(_NUMBER).all():
            return None
        values = plain.cast(import_module("polars").Float64, strict=False)
        if values.null_count():
            return super()._numbers(left_out, decimal)
        if not values.is_finite().all():
            return None
        codes, points = texts.str.contains(_CODE).any(), texts.str.contains(".", literal=True).any()
        return Numbers(values.to_numpy(), bool(codes), bool(points))


def _plain_rows(path: Path, dialect: Dialect, width: int) -> int:
    """Return how many rows a file has below its header; 0 if readers might cut it into other cells."""
    if width < 2 or codecs.lookup(dialect.encoding).name not in ("utf-8", "utf-8-sig"):
        return 0
    delimiter = dialect.delimiter.encode()
    lines = delimiters = 0
    last = b"\n"  # of the block before
    for block in _blocks(path):
        if len(block.translate(None, _STRANGE)) != len(block):
            return 0
        text = (last + block).replace(b"\r\n", b"\n")
        if b"\r" in text[:-1] or b"\n\n" in text:
            return 0
        lines += block.count(b"\n")
        delimiters += block.count(delimiter)
        last = block[-1:]
    lines += last != b"\n"
    return lines - 1 if last != b"\r" and delimiters == lines * (width - 1) else 0


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        start = file.read(len(codecs.BOM_UTF8))
        block = (b"" if start == codecs.BOM_UTF8 else start) + file.read(_BLOCK)
        while block:
            yield block
            block = file.read(_BLOCK)
