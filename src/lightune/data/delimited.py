"""Delimited text files: found out how they are written, read row by row, refused with the line that is wrong."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

__all__ = ["DELIMITERS", "Delimiter", "Dialect", "check_header", "find_dialect", "read_rows"]

Delimiter = Literal["auto", ",", ";", "\t", "|"]
DELIMITERS = (",", ";", "\t", "|")

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SAMPLE = 64  # lines that the delimiter is found out from
_CELL = 2**27  # characters that one cell may have


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Args:
        delimiter: what stands between two cells.
        encoding: of its text, as Python names it; a mark at its beginning has the last word.
    """

    delimiter: str
    encoding: str


def find_dialect(path: Path, *, delimiter: Delimiter = "auto", encoding: str = "utf-8") -> Dialect:
    """Find out how a file is written.

    The delimiter is the one that cuts the header and the first rows into the same number of cells, the most.

    Args:
        path: of the file; with `.gz` at its end it is compressed.
        delimiter: what it is known to be.
        encoding: used where the file does not begin with the mark of another.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is empty or in another encoding.
    """
    with _sound(path), _opened(path) as file:
        start = file.read(4)
    encoding = next((known for mark, known in _MARKS if start.startswith(mark)), encoding)
    if delimiter != "auto":
        return Dialect(delimiter, encoding)
    with _text(path, encoding) as text:
        lines = [line for _, line in zip(range(_SAMPLE), _decoded(text, path, encoding), strict=False)]
    if not any(line.strip() for line in lines):
        raise ValueError(f"{path} is empty")
    return Dialect(max(DELIMITERS, key=lambda each: _cells(lines, each)), encoding)


def read_rows(path: Path, dialect: Dialect) -> Generator[list[str], None, None]:
    """Yield the cells of the header, then of each row; empty lines are left out.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is in another encoding, its header names a column twice or not at all, or a row has more
            or fewer cells than the header; the message names the line.
    """
    previous = csv.field_size_limit(_CELL)
    try:
        with _text(path, dialect.encoding) as text:
            reader = csv.reader(_decoded(text, path, dialect.encoding), delimiter=dialect.delimiter)
            header = next(reader, None)
            while header is not None and not any(header):
                header = next(reader, None)
            if header is None:
                raise ValueError(f"{path} is empty")
            header = [name.strip() for name in header]
            check_header(header, path)
            yield header
            width = len(header)
            for row in reader:
                if len(row) != width:
                    if not row:
                        continue
                    several = "s" if len(row) > 1 else ""
                    rule = f"has {len(row)} cell{several} where the header has {width}"
                    if any("\n" in cell for cell in row):
                        rule += "; a quotation mark before it may never be closed"
                    raise ValueError(f"{path}, line {reader.line_num}: {rule} ({_shown(row)})")
                yield row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(previous)


def check_header(header: list[str], path: Path) -> None:
    """Refuse a header that names a column twice or not at all; the index that pandas writes is named `unnamed`.

    Raises:
        ValueError: naming the columns.
    """
    if empty := [number for number, name in enumerate(header, 1) if not name]:
        if len(header) == 1 or empty != [1]:
            raise ValueError(f"{path}: the header has no name for column {', '.join(map(str, empty))}")
        header[0] = "unnamed"
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path}: the header names a column twice: {', '.join(twice)}")


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _text(path: Path, encoding: str) -> io.TextIOWrapper:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ValueError(f"{path}: Python knows no encoding {encoding!r}; utf-8 and latin-1 are common") from error
    return io.TextIOWrapper(_opened(path), encoding=encoding, newline="")


def _decoded(text: io.TextIOWrapper, path: Path, encoding: str) -> Iterator[str]:
    try:
        with _sound(path):
            for line in text:
                if "\0" in line:
                    rule = "holds NUL characters, as no table does; if it is UTF-16 without a mark,"
                    raise ValueError(f"{path} {rule} set encoding to utf-16-le")
                yield line
    except UnicodeError as error:
        if _is_binary(path):
            raise ValueError(f"{path} is no table: it holds bytes that no text has") from error
        rule = (
            f"is not {encoding} ({error}); save it as UTF-8, or set encoding (latin-1, cp1252, utf-16 are common)"
        )
        raise ValueError(f"{path} {rule}") from error


def _is_binary(path: Path) -> bool:
    """Whether a file begins like a picture, a sound or a program: with zeros, and not as UTF-16 and UTF-32 do."""
    with _opened(path) as file:
        start = file.read(512)
    return b"\0\0" in start and not start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE))


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Say of a compressed file that it is damaged, or none."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _cells(lines: Sequence[str], delimiter: str) -> tuple[bool, int]:
    """Return whether a delimiter cuts lines into as many cells as their first, more than one, and how many."""
    try:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return False, 0
    counts = counts[:-1] if len(lines) == _SAMPLE and len(counts) > 1 else counts  # the last may go on
    return counts[0] > 1 and len(set(counts)) == 1, counts[0]


def _shown(row: Sequence[str]) -> str:
    line = " ".join(" | ".join(row).split())
    return line if len(line) <= 40 else f"{line[:40]}…"
