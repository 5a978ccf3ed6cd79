"""The cells of a table that memory need not hold: in a file, from which one column, or some rows, are read."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from weakref import finalize

import numpy as np

from lightune.data.cells import CellCollector, Cells
from lightune.data.decoded_rows import existing, told_if_full, unnamed
from lightune.validation import Indices

__all__ = ["StoredTable", "stored"]

_CELLS_AT_ONCE = 2**16


class _File:
    """A file without a name, which is gone with the last that uses it.

    Args:
        folder: where it lies; of folders that do not exist yet, the next above them.

    Raises:
        NoRoomError: if nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        with told_if_full():
            self._file = unnamed(existing(folder))
        finalize(self, self._file.close)

    def add(self, content: bytes) -> tuple[int, int]:
        """Take bytes; return where they begin, and how many they are.

        Raises:
            NoRoomError: if the disk is full.
        """
        start = self._file.tell()
        with told_if_full():
            self._file.write(content)
        return start, len(content)

    def whole(self) -> None:
        """Write what waits to be written.

        Raises:
            NoRoomError: as `add`.
        """
        with told_if_full():
            self._file.flush()

    def read(self, start: int, size: int) -> bytes:
        """Return some bytes."""
        return os.pread(self._file.fileno(), size, start)


@dataclass(frozen=True)
class _Block:
    """Some rows of a table in a file.

    Args:
        file: which holds them.
        first: number of the first of them in the table.
        rows: how many they are, > 0.
        places: column → where its cells begin, and how many bytes they take.
    """

    file: _File
    first: int
    rows: int
    places: Mapping[str, tuple[int, int]]

    def cells(self, name: str) -> list[str]:
        """Return the cells of a column."""
        cells: list[str] = json.loads(self.file.read(*self.places[name]))
        return cells


class StoredTable(Mapping[str, Cells]):
    """Columns that are read when they are asked for, and not kept.

    Args:
        names: of the columns.
        blocks: the rows, in their order.
        rows: places of those that count, rising; None for all.
    """

    def __init__(self, names: Sequence[str], blocks: Sequence[_Block], rows: Indices | None = None) -> None:
        self._names, self._blocks, self._rows = tuple(names), tuple(blocks), rows

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._whole if self._rows is None else len(self._rows)

    @property
    def _whole(self) -> int:
        return sum(block.rows for block in self._blocks)

    def only(self, rows: Indices) -> "StoredTable":
        """Return the same table of some rows.

        Args:
            rows: places among those that count, rising.
        """
        return StoredTable(self._names, self._blocks, rows if self._rows is None else self._rows[rows])

    def below(self, other: "StoredTable") -> "StoredTable":
        """Return all rows of another table of these columns, and below them those of this one."""
        moved = [_Block(each.file, each.first + other._whole, each.rows, each.places) for each in self._blocks]
        return StoredTable(other._names, [*other._blocks, *moved])

    def parts(self) -> Iterator[dict[str, Cells]]:
        """Yield all columns of some rows at a time."""
        for block in self._blocks:
            chosen = self._chosen(block)
            if chosen is None or len(chosen):
                yield {name: _of(block.cells(name), chosen) for name in self._names}

    def _chosen(self, block: _Block) -> Indices | None:
        """Return the places in a block of the rows that count; None if all do."""
        if self._rows is None:
            return None
        first, last = np.searchsorted(self._rows, [block.first, block.first + block.rows])
        return None if last - first == block.rows else self._rows[first:last] - block.first

    def __getitem__(self, name: str) -> Cells:
        if name not in self._names:
            raise KeyError(name)
        collector = CellCollector()
        for block in self._blocks:
            cells, chosen = block.cells(name), self._chosen(block)
            collector.add(cells if chosen is None else [cells[place] for place in chosen.tolist()])
        return collector.cells()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def stored(folder: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> StoredTable:
    """Put rows into a file without a name, which is gone with the table, even if the process is killed.

    Args:
        folder: where it lies; of folders that do not exist yet, the next above them.
        names: of the columns.
        rows: a cell for each column.

    Raises:
        NoRoomError: if the disk is full.
    """
    file = _File(folder)
    blocks: list[_Block] = []
    first, waiting = 0, iter(rows)
    together = max(1, _CELLS_AT_ONCE // len(names))
    while some := list(islice(waiting, together)):
        places = {}
        for name, cells in zip(names, zip(*some, strict=True), strict=True):
            places[name] = file.add(json.dumps(cells).encode())
        blocks.append(_Block(file, first, len(some), places))
        first += len(some)
    file.whole()
    return StoredTable(names, blocks)


def _of(cells: list[str], chosen: Indices | None) -> Cells:
    return Cells.of(cells if chosen is None else [cells[place] for place in chosen.tolist()])
