import io
import json

import pytest
import torch
from media import write_pictures, write_table
from rich.console import Console

from lightune.data import CSV, ImageFolder
from lightune.errors import ConfigError
from lightune.reporting.data_file import record_data, require_same_data, show_data
from lightune.validation import Holdout

CPU = torch.device("cpu")


def data(table):
    read = CSV(path=str(table), target="class")
    read.divide(Holdout().splits(read.rows, seed=0)[0], seed=0)
    return read


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "t.csv")


def test_what_was_read_and_decided_is_written(tmp_path, table):
    record_data(tmp_path, data(table))
    content = json.loads((tmp_path / "data.json").read_text())
    assert content["rows"] == sum(part["rows"] for part in content["parts"].values()) == 80
    assert content["samples"]["classes"] == ["old", "young"]
    assert ["numeric", "age, height, value"] in content["report"]
    about = "precision, recall, F1, AUC and --threshold are about it; data.pos_label=old for the other"
    assert ["positive", f"young, and not old: {about}"] in content["report"]
    assert content["positive"] == "young"
    require_same_data(tmp_path, data(table))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines, "99,1,Rome,old,3"], "80 rows then, 81 now, which divides them differently"),
        (lambda lines: [lines[0], "99,1,Rome,old,3", *lines[2:]], "part has other rows"),
        (lambda lines: [lines[0], *lines[:0:-1]], "train, val and test parts have other rows"),
    ],
)
def test_data_that_changed_are_refused_with_what_changed(tmp_path, table, change, said):
    record_data(tmp_path, data(table))
    table.write_text("\n".join(change(table.read_text().splitlines())) + "\n")
    with pytest.raises(ConfigError, match=said):
        require_same_data(tmp_path, data(table))


def test_a_run_of_before_is_not_judged_and_a_damaged_file_is_refused(tmp_path, table):
    require_same_data(tmp_path, data(table))
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        require_same_data(tmp_path, data(table))


@pytest.mark.parametrize("terminal", [True, False])
def test_what_was_found_is_shown_at_any_width(table, terminal):
    out = io.StringIO()
    show_data(data(table), Console(file=out, width=60, force_terminal=terminal, color_system=None), CPU)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["rows", "80"]
    assert any(line.rstrip().split(maxsplit=1) == ["numeric", "age, height, value"] for line in lines)
    assert not terminal or all(len(line) <= 60 for line in lines)


def test_questions_of_the_division_stand_in_the_table_and_in_the_file(tmp_path, table):
    said = "age predicts class nearly alone (AUC 1.00"
    read = CSV(path=str(table), target="class", ignore=["value"])
    read.divide(Holdout().splits(read.rows, seed=0)[0], seed=0)
    record_data(tmp_path, read)
    report = json.loads((tmp_path / "data.json").read_text())["report"]
    assert [line for subject, line in report if subject == "question" and line.startswith(said)]
    console = Console(file=io.StringIO(), width=200)
    show_data(read, console, CPU)
    assert said in console.file.getvalue()


@pytest.mark.parametrize(
    ("placement", "said"),
    [
        ("device", "40 of 3x8x8: 0.0 MB as read, in memory; 0.0 MB prepared, in memory"),
        ("stream", "40 of 3x8x8: 0.0 MB as read, in a file; 0.0 MB prepared, batch by batch (a stream)"),
    ],
)
def test_the_size_of_pictures_and_where_they_lie_is_said_in_one_line(placement, said, tmp_path):
    read = ImageFolder(path=str(write_pictures(tmp_path)), image_size=8, placement=placement)
    read.divide(Holdout().splits(read.rows, seed=0)[0], seed=0)
    console = Console(file=io.StringIO(), width=200)
    show_data(read, console, CPU)
    first = console.file.getvalue().splitlines()[0]
    assert first.split(maxsplit=1) == ["samples", said]
