import datetime
import gzip
import random
import sys

import numpy as np
import openpyxl
import polars
import pytest

from lightune.data import CSV, TextCSV
from lightune.data.columns import decide, parse_numbers
from lightune.data.table_files import read_table, rows_like, rows_of
from lightune.errors import ConfigError

COLUMNS = {
    "age": [30, None, 41],
    "height": [1.75, float("nan"), 0.1],
    "city": ["Oslo", "NA", None],
    "code": ["01234", "2", "3"],
    "member": [True, False, None],
    "born": [datetime.date(2020, 1, 5), datetime.date(1999, 12, 31), None],
}
TEXTS = {
    "age": ("30", "", "41"),
    "height": ("1.75", "", "0.1"),
    "city": ("Oslo", "NA", ""),
    "code": ("01234", "2", "3"),
    "member": ("True", "False", ""),
    "born": ("2020-01-05", "1999-12-31", ""),
}


def write_excel(path, rows, *sheets):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title in sheets:
        book.create_sheet(title).append(["x"])
    book.save(path)
    return path


def excel_rows(columns):
    none = [[None if value != value else value for value in row] for row in zip(*columns.values(), strict=True)]
    return [list(columns), *none]


def test_parquet_and_excel_are_read_as_the_texts_of_a_delimited_file(tmp_path):
    polars.DataFrame(COLUMNS).write_parquet(tmp_path / "t.parquet")
    write_excel(tmp_path / "t.xlsx", excel_rows(COLUMNS))
    for name in ("t.parquet", "t.xlsx"):
        assert read_table(tmp_path / name) == TEXTS, name


def test_numbers_of_parquet_are_those_that_it_holds(tmp_path):
    chance = random.Random(0)
    values = [chance.uniform(-1, 1) * 10.0 ** chance.randint(-30, 30) for _ in range(500)]
    polars.DataFrame({"x": values}).write_parquet(tmp_path / "t.parquet")
    cells = read_table(tmp_path / "t.parquet")["x"]
    column = decide("x", cells, na_values=("",))
    assert column.kind == "numeric"
    assert np.array_equal(parse_numbers(column, cells, ())[0], values)


def test_a_parquet_file_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("lightune.data.table_files._ROWS", 7)
    polars.DataFrame({"x": range(20)}).write_parquet(tmp_path / "t.pq")
    assert [row[0] for row in rows_of(tmp_path / "t.pq")] == ["x", *map(str, range(20))]


def test_tabs_and_compressed_files_are_read(tmp_path):
    (tmp_path / "t.tsv").write_text("a\tb, c\n1\tx\n")
    with gzip.open(tmp_path / "t.csv.gz", "wt") as file:
        file.write("a;b\n1;x\n")
    assert read_table(tmp_path / "t.tsv") == {"a": ("1",), "b, c": ("x",)}
    assert read_table(tmp_path / "t.csv.gz") == {"a": ("1",), "b": ("x",)}
    assert list(rows_like(tmp_path / "t.tsv", {"delimiter": "\t", "encoding": "utf-8"})) == [
        ["a", "b, c"],
        ["1", "x"],
    ]


def test_empty_rows_and_columns_beside_a_sheet_are_left_out(tmp_path):
    rows = [["a", "b", None], [1, None, None], [None, None, None], [2, "x", None], [None]]
    assert read_table(write_excel(tmp_path / "t.xlsx", rows)) == {"a": ("1", "2"), "b": ("", "x")}


@pytest.mark.parametrize(
    ("rows", "sheets", "said"),
    [
        ([["a"], [1]], ["notes"], r"has several sheets \(Sheet, notes\); save the one"),
        ([], [], "is empty"),
        ([["a", "a"], [1, 2]], [], "names a column twice: a"),
        ([["a"], [1, 2]], [], "row 2: has a cell beyond the header's 1 columns"),
        ([["a"]], [], "has a header only"),
    ],
)
def test_a_workbook_that_is_no_table_is_refused(tmp_path, rows, sheets, said):
    with pytest.raises(ValueError, match=said):
        read_table(write_excel(tmp_path / "t.xlsx", rows, *sheets))


@pytest.mark.parametrize("name", ["t.parquet", "t.xlsx"])
def test_damaged_files_and_missing_packages_are_said_in_one_line(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"PAR1 and nothing else")
    with pytest.raises(ValueError, match=r"t\.\w+ cannot be read as (Parquet|Excel) \(.+\)$") as refusal:
        read_table(tmp_path / name)
    assert "\n" not in str(refusal.value)
    package = "polars" if name == "t.parquet" else "openpyxl"
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ValueError, match=rf"needs {package}, which is not installed; pip install 'lightune\[tables"
    ):
        read_table(tmp_path / name)
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / f"no_{name}")


def test_old_workbooks_and_nested_columns_are_refused(tmp_path):
    (tmp_path / "t.xls").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"is of Excel before 2007; save it as \.xlsx"):
        read_table(tmp_path / "t.xls")
    polars.DataFrame({"a": [[1, 2]], "b": [1]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"hold no single values: a \(List"):
        read_table(tmp_path / "t.parquet")


def test_data_take_them(tmp_path):
    rows = {"n": list(range(40)), "t": ["purr", "woof"] * 20, "label": ["cat", "dog"] * 20}
    polars.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    write_excel(tmp_path / "t.xlsx", excel_rows(rows))
    for name in ("t.parquet", "t.xlsx"):
        assert CSV(path=str(tmp_path / name), target="label").samples.inputs[:, 0].tolist() == list(range(40))
        assert TextCSV(path=str(tmp_path / name), text="t").samples.schema["vocabulary"] == ["purr", "woof"]
    (tmp_path / "t.parquet").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"data\.path  .*cannot be read as Parquet"):
        CSV(path=str(tmp_path / "t.parquet"), target="label").load()
