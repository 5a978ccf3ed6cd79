"""Cells in a file are those that were put there, column by column and part by part."""

import errno
from pathlib import Path

import numpy as np
import pytest

from lightune.data import stored_cells
from lightune.data.decoded_rows import NoRoomError
from lightune.data.stored_cells import stored

ROWS = [[str(number), f"text {number % 3}\n", "ä\0\"'"] for number in range(10)]


@pytest.fixture(autouse=True)
def three_rows_a_block(monkeypatch):
    monkeypatch.setattr(stored_cells, "_CELLS_AT_ONCE", 9)


@pytest.fixture
def table(tmp_path):
    return stored(tmp_path, ["a", "b", "c"], ROWS)


def test_a_column_is_read_when_it_is_asked_for(table):
    assert (list(table), len(table), table.rows) == (["a", "b", "c"], 3, 10)
    assert [list(table[name]) for name in table] == [list(cells) for cells in zip(*ROWS, strict=True)]
    with pytest.raises(KeyError):
        table["d"]


def test_all_columns_are_read_some_rows_at_a_time(table):
    parts = list(table.parts())
    assert [len(part["a"]) for part in parts] == [3, 3, 3, 1]
    assert [cell for part in parts for cell in part["b"]] == list(table["b"])


@pytest.mark.parametrize("rows", [[0, 1, 2], [1, 4, 9], [9], [], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]], ids=str)
def test_some_rows_are_a_table_too(table, rows):
    some = table.only(np.array(rows, dtype=np.int64))
    assert some.rows == len(rows)
    assert list(some["a"]) == list(map(str, rows))
    assert [cell for part in some.parts() for cell in part["a"]] == list(map(str, rows))
    if len(rows) > 1:
        assert list(some.only(np.array([1]))["a"]) == [str(rows[1])]


def test_tables_stand_below_each_other_by_the_names_of_their_columns(table, tmp_path):
    other = stored(tmp_path, ["c", "b", "a"], [["z", "y", "x"]])
    both = other.below(table)
    assert list(both["a"]) == [*map(str, range(10)), "x"]
    assert list(both.only(np.array([2, 10]))["c"]) == ["ä\0\"'", "z"]


def test_the_file_has_no_name_and_is_gone_with_the_table(table, tmp_path):
    held = [path for path in Path("/proc/self/fd").iterdir() if str(tmp_path) in str(path.resolve())]
    assert (list(tmp_path.iterdir()), len(held)) == ([], 1)
    del table


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stored_cells, "unnamed", full)
    with pytest.raises(NoRoomError, match="No space left on device"):
        stored(tmp_path, ["a"], [["1"]])
