"""Tables in files: delimited text, Parquet and Excel, all of them as texts, so that one set of rules decides.

What is missing in a Parquet or Excel file is an empty text; numbers, dates and truth values are written as a
delimited file would have them. Parquet is read by polars, Excel by openpyxl, if they are installed.
"""

import datetime
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

from lightune.data.cells import Cells, columns_of
from lightune.data.delimited import Delimiter, check_header, find_dialect, read_rows
from lightune.data.quick_tables import quick_columns
from lightune.data.stored_cells import StoredTable, stored

__all__ = ["bytes_of_text", "read_table", "rows_like", "rows_of", "store_table"]

_PACKED = 4
"""Bytes of text that a byte of a packed file stands for, about."""
_ROWS = 50_000  # of a Parquet file, read at a time
_MIDNIGHT = datetime.time()


def rows_of(path: Path, *, delimiter: Delimiter = "auto", encoding: str = "utf-8") -> Iterator[list[str]]:
    """Yield the cells of the header, then of each row; empty lines are left out.

    Args:
        path: a delimited text file, `.gz` or not; Parquet (`.parquet`, `.pq`) or Excel (`.xlsx`, `.xlsm`).
        delimiter: of a delimited file; `auto` finds out.
        encoding: of a delimited file, where no mark at its beginning says so.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no table, or damaged, or a package is missing that reads it.
    """
    if (read := _FORMATS.get(path.suffix.lower())) is not None:
        return read(path)
    return read_rows(path, find_dialect(path, delimiter=delimiter, encoding=encoding))


def bytes_of_text(path: Path) -> int:
    """Return about how many bytes the text of a file is, packed or not, >= 0."""
    packed = path.suffix.lower() in (".gz", *_FORMATS)
    return path.stat().st_size * (_PACKED if packed else 1)


def rows_like(path: Path, schema: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield header and rows of a file that is written as one before it was.

    Args:
        path: of the file.
        schema: of the samples that were read from the other: its `delimiter` and `encoding`, if they are known.

    Raises:
        OSError: if the file cannot be read.
        ValueError: as `rows_of`.
    """
    return rows_of(path, **{key: schema[key] for key in ("delimiter", "encoding") if key in schema})


def read_table(path: Path, *, delimiter: Delimiter = "auto", encoding: str = "utf-8") -> dict[str, Cells]:
    """Return the cells of each column of a file, by its name.

    Raises:
        OSError: if the file cannot be read.
        ValueError: as `rows_of`, or if there is no row below the header.
    """
    if path.suffix.lower() in _FORMATS:
        others = rows_of(path)
        header = next(others)
        columns = columns_of(others, len(header))
    else:
        dialect = find_dialect(path, delimiter=delimiter, encoding=encoding)
        with closing(read_rows(path, dialect)) as rows:
            header = next(rows)
            columns = quick_columns(path, dialect, len(header)) or columns_of(rows, len(header))
    if not len(columns[0]):
        raise ValueError(f"{path} has a header only, no rows")
    return dict(zip(header, columns, strict=True))


def store_table(
    path: Path, folder: Path, *, delimiter: Delimiter = "auto", encoding: str = "utf-8"
) -> StoredTable:
    """Return the cells of each column of a file, which are read from another file when they are asked for.

    Args:
        path: of the file.
        folder: where the other lies.
        delimiter: of a delimited file; `auto` finds out.
        encoding: of a delimited file, where no mark at its beginning says so.

    Raises:
        NoRoomError: if the other cannot be written.
        OSError: if the file cannot be read.
        ValueError: as `read_table`.
    """
    rows = rows_of(path, delimiter=delimiter, encoding=encoding)
    table = stored(folder, next(rows), rows)
    if not table.rows:
        raise ValueError(f"{path} has a header only, no rows")
    return table


def _in_parquet(path: Path) -> Iterator[list[str]]:
    polars = _package("polars", path)
    with path.open("rb"):  # so that a file that cannot be read says so as others do
        pass
    try:
        whole = polars.scan_parquet(path, glob=False)
        schema = whole.collect_schema()
        nested = [f"{name} ({kind})" for name, kind in schema.items() if kind.is_nested() or kind == polars.Binary]
        if nested:
            raise ValueError(f"{path} has columns that hold no single values: {', '.join(nested)}")
        header = [name.strip() for name in schema]
        check_header(header, path)
        yield header
        times = [name for name, kind in schema.items() if kind == polars.Datetime]
        numbers = [name for name, kind in schema.items() if kind.is_float()]
        written = (
            whole.with_columns(polars.col(numbers).fill_nan(None))
            .with_columns(polars.col(times).dt.to_string("%Y-%m-%d %H:%M:%S"))
            .with_columns(polars.col(polars.Boolean).replace_strict({True: "True", False: "False"}))
            .with_columns(polars.all().cast(polars.String).fill_null(""))
        )
        first = 0
        while rows := written.slice(first, _ROWS).collect().rows():
            first += len(rows)
            yield from map(list, rows)
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from error


def _in_excel(path: Path) -> Iterator[list[str]]:
    openpyxl = _package("openpyxl", path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as Excel ({error})") from error
    try:
        filled = [
            sheet for sheet in book.worksheets if any(map(any, sheet.iter_rows(max_row=2, values_only=True)))
        ]
        if len(filled) != 1:
            names = ", ".join(sheet.title for sheet in filled)
            several = f"has several sheets ({names}); save the one to be read as a file of its own"
            raise ValueError(f"{path} {several if filled else 'is empty'}")
        rows = ([_text(cell) for cell in row] for row in filled[0].iter_rows(values_only=True))
        rows = (row for row in rows if any(row))
        header = [name.strip() for name in next(rows)]
        while not header[-1]:
            header.pop()
        check_header(header, path)
        yield header
        width = len(header)
        for number, row in enumerate(rows, 2):
            if any(row[width:]):
                raise ValueError(f"{path}, row {number}: has a cell beyond the header's {width} columns")
            yield (row + [""] * width)[:width]
    finally:
        book.close()


def _in_old_excel(path: Path) -> Iterator[list[str]]:
    raise ValueError(f"{path} is of Excel before 2007; save it as .xlsx or .csv")


_FORMATS: Mapping[str, Callable[[Path], Iterator[list[str]]]] = {
    **dict.fromkeys((".parquet", ".pq"), _in_parquet),
    **dict.fromkeys((".xlsx", ".xlsm"), _in_excel),
    ".xls": _in_old_excel,
}
"""Suffix → what yields header and rows; files of any other suffix are delimited text."""


def _text(value: Any) -> str:
    """Return a cell as a delimited file would have it."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ", "seconds")
    return str(value)


def _package(name: str, path: Path) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(f"{path} needs {name}, which is not installed; pip install 'lightune[tables]'") from error
