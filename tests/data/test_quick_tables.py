import random
import sys

import numpy as np
import pytest

from lightune.data import quick_tables
from lightune.data.cells import Cells
from lightune.data.columns import NA_VALUES, decide, raw_rows
from lightune.data.delimited import find_dialect, read_rows
from lightune.data.table_files import read_table

ROWS = 60
chance = random.Random(0)
COLUMNS = {
    "code": [f"{n:05}" for n in range(ROWS)],
    "id": [str(n + 7) for n in range(ROWS)],
    "price": [f"{n},{n:02}" for n in range(ROWS)],
    "both": ["1,5", *(f"{n}.{n}" for n in range(1, ROWS))],
    "gone": [("", "NA", " ? ", "null", f"{n}.5")[n % 5] for n in range(ROWS)],
    "spaced": [(f" {n}", f"{n}\t", f"\xa0{n}\u2003", f"{n}")[n % 4] for n in range(ROWS)],
    "same_but_spaced": [" " * (n % 3) + str(n // 3) for n in range(ROWS)],
    "hard": [repr(chance.uniform(-1, 1) * 10.0 ** chance.randint(-320, 300)) for _ in range(ROWS)],
    "forms": [("+5.", ".5e-3", "1E5", "-0", "-0.0", "00", f"{n}")[n % 7] for n in range(ROWS)],
    "long": [f"{n}.{'123456789' * 5}" for n in range(ROWS)],
    "too_large": [f"1e{n * 10}" for n in range(ROWS)],
    "nearly": [("1_0", "1d5", "0x1", "٣", "1 2", f"{n}")[n % 6] + ("" if n < 12 else str(n)) for n in range(ROWS)],
    "stray": ["x", *(str(n * 3) for n in range(1, ROWS))],
    "text": [f"naïve 日本 {n}" for n in range(ROWS)],
    "date": [f"2024-01-{n % 28 + 1:02}" for n in range(ROWS)],
    "few": [("a", "b ", "", "B")[n % 4] for n in range(ROWS)],
    "truth": [("True", "False", "")[n % 3] for n in range(ROWS)],
}
LINES = [list(COLUMNS), *zip(*COLUMNS.values(), strict=True)]


def written(path, lines, *, delimiter=";", end="\n", encoding="utf-8", last=True):
    text = end.join(delimiter.join(line) for line in lines) + (end if last else "")
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture(autouse=True)
def _every_size(monkeypatch):
    monkeypatch.setattr(quick_tables, "_WORTH_IT", 0)


def by_core(monkeypatch, read):
    """Return what is read without polars, or what is refused."""
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "polars", None)
        return told(read)


def told(read):
    try:
        return {name: list(cells) for name, cells in read().items()}
    except ValueError as error:
        return str(error)


def quick(path):
    dialect = find_dialect(path)
    return quick_tables.quick_columns(path, dialect, len(next(read_rows(path, dialect))))


@pytest.mark.parametrize(
    "how", [{}, {"end": "\r\n"}, {"encoding": "utf-8-sig"}, {"last": False}, {"delimiter": "|"}]
)
@pytest.mark.parametrize("block", [2**22, 7])
def test_plain_files_are_read_quickly_and_are_the_same_cell_for_cell(tmp_path, monkeypatch, how, block):
    monkeypatch.setattr(quick_tables, "_BLOCK", block)
    path = written(tmp_path / "t.csv", LINES, **how)
    assert quick(path) is not None
    found = told(lambda: read_table(path))
    assert (
        found
        == by_core(monkeypatch, lambda: read_table(path))
        == {name: [*each] for name, each in COLUMNS.items()}
    )


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ('a,b\n"1\n2",x\n"3 ""q"" ",y\n', "utf-8"),
        ('a,b\n"1",x\n2,"y"\n', "utf-8"),
        ('a,b\n1"2,x\n3,y"\n', "utf-8"),
        ("a,b\n1,x\n2\n3,y\n", "utf-8"),
        ("a,b\n1,x,7\n2\n3,y\n", "utf-8"),
        ("a,b\n1,x\n2,y,\n", "utf-8"),
        ("a,b\n1,x\n\n2,y\n", "utf-8"),
        ("\n\na,b\n1,x\n", "utf-8"),
        ("a,b\r1,x\r2,y\r", "utf-8"),
        ("a,b\n1,x\r2,y\n", "utf-8"),
        ("a,b\n1,\x1cx\n2,y\n", "utf-8"),
        ("a\n1\n \n2\n", "utf-8"),
        ("a,b\n", "utf-8"),
        ("a,b", "utf-8"),
        ("a,a\n1,2\n", "utf-8"),
        ("a,b\n1,ä\n", "latin-1"),
        ("a,b\n1,ä\n", "utf-16"),
    ],
)
@pytest.mark.parametrize("block", [2**22, 3])
def test_all_others_are_left_to_the_reader_of_any(tmp_path, monkeypatch, content, encoding, block):
    monkeypatch.setattr(quick_tables, "_BLOCK", block)
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))

    def read():
        return read_table(tmp_path / "t.csv", delimiter=",")

    assert told(read) == by_core(monkeypatch, read)


def test_ragged_rows_that_make_up_for_each_other_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n1,2\n1,2,3,4\n")
    with pytest.raises(ValueError, match="line 3: has 2 cells where the header has 3"):
        read_table(tmp_path / "t.csv")


def test_small_files_and_compressed_ones_are_not_worth_it(tmp_path, monkeypatch):
    path = written(tmp_path / "t.csv", LINES)
    monkeypatch.setattr(quick_tables, "_WORTH_IT", path.stat().st_size + 1)
    assert quick(path) is None


@pytest.mark.parametrize("decimal", [".", ",", "auto"])
@pytest.mark.parametrize("name", COLUMNS)
def test_what_a_column_is_and_its_numbers_are_the_same(name, decimal):
    polars = pytest.importorskip("polars")
    cells = quick_tables.cells_of(polars.Series(name, COLUMNS[name]))
    assert list(cells) == COLUMNS[name]
    for na_values in (NA_VALUES, ("5", "-0"), ()):
        for kind in (None, "numeric", "categorical"):
            results = []
            for given in (cells, Cells.of(COLUMNS[name])):
                try:
                    column = decide(name, given, na_values=na_values, decimal=decimal, kind=kind)
                    results.append((column, *raw_rows({name: given}, [column], na_values)))
                except ValueError as error:
                    results.append((str(error), np.empty(0), {}))
            (one, values, unfit), (other, wanted, unfit_too) = results
            assert (one, unfit) == (other, unfit_too)
            assert values.tobytes() == wanted.tobytes()


def test_rows_are_left_out_as_of_other_cells():
    polars = pytest.importorskip("polars")
    rows = np.array([5, 2, 40, 2])
    for name in ("hard", "few"):
        cells = quick_tables.cells_of(polars.Series(name, COLUMNS[name]))
        assert cells.only(rows) == [COLUMNS[name][row] for row in rows]
        assert cells[3:5] == COLUMNS[name][3:5]
        assert cells[7] == COLUMNS[name][7]
