import numpy as np
import pytest
import torch

from lightune.data.columns import Column
from lightune.inference.table_input import TableInput, Tally

COLUMNS = [
    Column("city", "categorical", categories=("1", "2", "x")),
    Column("age", "numeric"),
    Column("name", "ignored"),
]
SCHEMA = {"columns": [column.plain() for column in COLUMNS], "na_values": ["", "NA"], "target": "y"}


class Frame:
    """What data frames of pandas and polars have in common."""

    def __init__(self, **columns):
        self.columns = list(columns)
        self._columns = {name: np.array(values, dtype=object) for name, values in columns.items()}

    def __getitem__(self, name):
        class Series:
            to_numpy = staticmethod(lambda: self._columns[name])

        return Series


def test_columns_of_a_file_are_found_by_name(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("name;city;extra;age\nu;x;1;30\nv;;2;NA\nw;q;3;?\n")
    tally = Tally()
    ((numbers, raw),) = TableInput(SCHEMA).chunks(file, tally)
    assert numbers == ["0", "1", "2"]
    assert torch.equal(raw.nan_to_num(-9), torch.tensor([[30.0, 2], [-9, -1], [-9, -2]], dtype=torch.float64))
    assert tally == Tally(3, {"age": 1, "city": 1}, (), ("extra",))
    assert list(tally.lines()) == [
        "columns that the network does not know: extra",
        "age: 1 cell is no number and counts as missing",
        "city: 1 cell holds a value that training had not",
    ]


def test_a_file_is_read_bit_by_bit(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("age,y\n" + "7,1\n" * 20_000)
    tally = Tally()
    parts = [len(raw) for _, raw in TableInput(SCHEMA).chunks(file, tally)]
    assert sum(parts) == tally.rows == 20_000
    assert max(parts) < 10_000
    assert tally.absent == ("city",)
    assert next(tally.lines()) == "columns that are not there count as missing: city"


@pytest.mark.parametrize(
    "samples",
    [
        {"city": ["1", "x", None], "age": [3, 4.5, None]},
        [{"city": 1, "age": 3}, {"city": "x", "age": "4.5"}, {}],
        Frame(city=[1.0, "x", float("nan")], age=[3, 4.5, float("nan")]),
    ],
)
def test_rows_of_python_are_taken_as_they_are(samples):
    raw = TableInput(SCHEMA).raw(samples, Tally())
    assert torch.equal(raw.nan_to_num(-9), torch.tensor([[3.0, 0], [4.5, 2], [-9, -1]], dtype=torch.float64))


def test_numbers_are_taken_in_the_order_of_the_columns():
    schema = {**SCHEMA, "columns": [Column(name, "numeric").plain() for name in "ab"]}
    assert TableInput(schema).raw(np.array([[1, 2], [3, np.inf]]), Tally())[0].tolist() == [1, 2]
    assert torch.isnan(TableInput(schema).raw(torch.tensor([[1.0, torch.inf]]), Tally())[0, 1])
    with pytest.raises(ValueError, match=r"numbers \(N, 2\): a, b; got list of shape \(1, 3\)"):
        TableInput(schema).raw([[1, 2, 3]], Tally())


def test_a_number_that_stands_for_a_missing_value_is_none():
    schema = {**SCHEMA, "na_values": ["-999"]}
    for ages in ([3, -999], np.array([3.0, -999.0]), ["3", "-999"]):
        raw = TableInput(schema).raw({"city": ["x", "x"], "age": ages}, Tally())
        assert raw[:, 0].nan_to_num(-9).tolist() == [3, -9]


def test_a_missing_value_that_compares_to_nothing_is_missing():
    class NAType:  # what pandas has
        def __ne__(self, other):
            return self

        def __bool__(self):
            raise TypeError("boolean value of NA is ambiguous")

    raw = TableInput(SCHEMA).raw(Frame(city=["x", NAType()], age=[3, NAType()]), Tally())
    assert raw.nan_to_num(-9).tolist() == [[3, 2], [-9, -1]]


def test_a_file_is_read_as_that_of_the_training_was(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes("city|age|part|nöte\nx|1|test|a,b\n".encode("latin-1"))
    tally = Tally()
    schema = {**SCHEMA, "split": "part", "delimiter": "|", "encoding": "latin-1"}
    ((_, raw),) = TableInput(schema).chunks(file, tally)
    assert raw.tolist() == [[1, 2]]
    assert tally.additional == ("nöte",)


def test_a_table_without_any_column_is_refused():
    with pytest.raises(ValueError, match=r"has none of the columns of the training \(age, city\): other"):
        TableInput(SCHEMA).raw({"other": [1]}, Tally())
