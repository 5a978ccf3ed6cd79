"""`trials.csv`, written and read back."""

import csv

import pytest

from lightune.study.definition.settings import Objective
from lightune.study.outputs.table import read_table, write_table
from lightune.study.storage.records import TrialRecord

ONE = [Objective("val/accuracy", "max")]


def test_a_table_is_read_as_it_was_written(tmp_path):
    trials = [
        TrialRecord(0, "completed", (0.5,), {"lr": "0.1"}, 1.23456, "trials/0", None),
        TrialRecord(1, "failed", None, {}, None, None, 'told to, "twice"', epochs=3, std=0.25, reported=0.5),
    ]
    write_table(tmp_path, trials, ["lr", "layers"], ONE)
    first, second = read_table(tmp_path)
    assert list(first)[:8] == ["number", "state", "val/accuracy", "lr", "layers", "seconds", "folder", "error"]
    assert list(first)[8:] == ["trial/epochs", "trial/std", "trial/reported"]
    assert list(first.values()) == ["0", "completed", "0.5", "0.1", "", "1.235", "trials/0", "", "", "", ""]
    assert list(second.values()) == ["1", "failed", "", "", "", "", "", 'told to, "twice"', "3", "0.25", "0.5"]


def test_no_two_columns_have_one_name(tmp_path):
    write_table(tmp_path, [TrialRecord(0, "completed", (1.0,), {"error": "x"}, 1.0, "0", None)], ["error"],
                [Objective("seconds", "min")])  # fmt: skip
    (row,) = read_table(tmp_path)
    assert (row["objective/seconds"], row["seconds"], row["swept/error"], row["error"]) == (
        "1.0",
        "1.000",
        "x",
        "",
    )


def test_a_value_of_no_name_has_a_column(tmp_path):
    write_table(
        tmp_path, [TrialRecord(0, "completed", (2.0,), {}, None, None, None)], [], [Objective(None, "min")]
    )
    assert read_table(tmp_path)[0]["value"] == "2.0"


def test_there_may_be_no_table_yet(tmp_path):
    assert read_table(tmp_path) == []


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@x", "\tx", "'=x", "''@x"])
def test_no_text_stands_as_a_formula(tmp_path, text):
    trial = TrialRecord(0, "failed", None, {"key": text}, None, text, text)
    write_table(tmp_path, [trial], ["key"], ONE)
    with (tmp_path / "trials.csv").open(newline="") as file:
        _, cells = csv.reader(file)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    (row,) = read_table(tmp_path)
    assert row["key"] == row["folder"] == row["error"] == text


@pytest.mark.parametrize("text", ["-1", "+1e-3", "-inf", "1", "'x'", "text"])
def test_numbers_and_other_texts_stand_as_they_are(tmp_path, text):
    write_table(tmp_path, [TrialRecord(0, "completed", (-0.5,), {"key": text}, 1.0, "0", None)], ["key"], ONE)
    assert f"0,completed,-0.5,{text},1.000,0,,,,\n" in (tmp_path / "trials.csv").read_text()


def test_no_codes_stand_in_the_table(tmp_path):
    write_table(tmp_path, [TrialRecord(0, "failed", None, {}, None, None, "\x1b[2J")], [], ONE)
    assert read_table(tmp_path)[0]["error"] == "\\x1b[2J"


def test_a_table_of_before_a_column_was_added_is_read(tmp_path):
    (tmp_path / "trials.csv").write_text("number,state,x\n3,completed,7\n")
    (row,) = read_table(tmp_path)
    assert (row["number"], row["x"], row["error"], row["folder"]) == ("3", "7", "", "")
