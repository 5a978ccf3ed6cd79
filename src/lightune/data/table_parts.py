"""The files that a table lies in, one or one a part, read as one table, in memory or from another file."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import torch

from lightune.data.cells import Cells
from lightune.data.delimited import Delimiter
from lightune.data.official_parts import PARTS, part_named
from lightune.data.placement import Placement, place
from lightune.data.stored_cells import StoredTable
from lightune.data.table_files import bytes_of_text, read_table, store_table
from lightune.errors import ConfigError, Problem
from lightune.validation import Indices

__all__ = [
    "Table", "files_of_rows", "joined", "lies_in_file", "only", "parts_of_files", "read_parts", "row_count",
    "table_files_at",
]  # fmt: skip

Table = Mapping[str, Cells]

_OF_A_BYTE = 10
"""Bytes of memory that a byte of a table takes while it is read: each cell is an object of its own."""


def table_files_at(path: Path) -> dict[str, Path]:
    """Return the files of a table: part → file, `""` where one holds all.

    Args:
        path: a file, or a folder with `train`, `test` and perhaps `val` files.

    Raises:
        ConfigError: if there is no such file, or the folder has none or several of a part.
    """
    if not path.exists():
        raise ConfigError([Problem("data.path", f"there is no {path.absolute()}")])
    if path.is_file():
        return {"": path}
    found = {
        part: sorted(file for file in path.iterdir() if _part_of(file) == part and file.is_file())
        for part in PARTS
    }
    if several := [part for part, files in found.items() if len(files) > 1]:
        names = ", ".join(file.name for file in found[several[0]])
        raise ConfigError([Problem("data.path", f"{path} has more than one {several[0]} file: {names}")])
    if not found["train"] or not found["test"]:
        rule = f"must be a file, or a folder with train.csv and test.csv (and val.csv), got {path.absolute()}"
        raise ConfigError([Problem("data.path", rule)])
    return {part: files[0] for part, files in found.items() if files}


def lies_in_file(files: Iterable[Path], placement: Placement) -> bool:
    """Return True if cells and raw rows are to lie in files: streamed, or too many for memory to hold their texts.

    Args:
        files: that are read.
        placement: as of `InMemoryData`.
    """
    texts = sum(map(bytes_of_text, files))
    return place(placement, texts * _OF_A_BYTE, torch.device("cpu"))[0] == "stream"


def read_parts(
    source: Mapping[str, Path], *, delimiter: Delimiter, encoding: str, scratch: Path | None
) -> dict[str, Table]:
    """Return the table of each file.

    Args:
        source: part → file.
        delimiter: of a delimited file; `auto` finds out.
        encoding: of a delimited file, where no mark at its beginning says so.
        scratch: the folder of the file that the cells are put into; None to hold them in memory.

    Raises:
        ConfigError: if a file cannot be read as a table.
        NoRoomError: if the disk has no room for the cells.
    """
    tables: dict[str, Table] = {}
    for part, file in source.items():
        try:
            if scratch is None:
                tables[part] = read_table(file, delimiter=delimiter, encoding=encoding)
            else:
                tables[part] = store_table(file, scratch, delimiter=delimiter, encoding=encoding)
        except ValueError as error:
            raise ConfigError([Problem("data.path", str(error))]) from error
    return tables


def joined(tables: Mapping[str, Table]) -> Table:
    """Return tables of the same columns as one, in their order."""
    first, *others = tables.values()
    if not others:
        return first
    if isinstance(first, StoredTable):
        return reduce(lambda above, below: below.below(above), tables.values())  # type: ignore[attr-defined]
    return {name: Cells.joined([table[name] for table in tables.values()]) for name in first}


def parts_of_files(tables: Mapping[str, Table]) -> Indices | None:
    """Return the place in `PARTS` (N,) that the file of each row stands for; None where one file holds all."""
    if "" in tables:
        return None
    return np.concatenate([np.full(row_count(table), PARTS.index(part)) for part, table in tables.items()])


def files_of_rows(rows: Indices, counts: Sequence[tuple[str, int]]) -> list[str]:
    """Return the file of each row; nothing where there is one.

    Args:
        rows: (n,) places in all files, one below the other.
        counts: of each file its name, and how many rows it has.
    """
    if len(counts) == 1:
        return []
    ends = np.cumsum([count for _, count in counts])
    return [counts[place][0] for place in np.searchsorted(ends, rows, side="right").tolist()]


def only(table: Table, rows: Indices) -> Table:
    """Return some rows of a table, whose places rise."""
    if isinstance(table, StoredTable):
        return table.only(rows)
    return {name: cells.only(rows) for name, cells in table.items()}


def row_count(table: Table) -> int:
    """Return how many rows a table has."""
    return table.rows if isinstance(table, StoredTable) else len(next(iter(table.values())))


def _part_of(file: Path) -> str | None:
    return part_named(file.name.partition(".")[0])
