"""A run as its files show it."""

import json

import pytest
from reported_studies import write_curve, write_result

from lightune.report.run_data import is_run, read_curve, read_run


def test_a_run_is_what_its_result_says(tmp_path):
    folds = [{"objective": {"value": value}} for value in (0.8, 0.9)]
    about = {"folds": folds, "intervals": {"test/accuracy": {"low": 0.8, "high": 0.95}}}
    run = read_run(write_result(tmp_path, 0.85, **about))
    assert (run.metric, run.value, run.status, run.epochs) == ("val/accuracy", 0.85, "completed", 5)
    assert run.seconds == pytest.approx(1.3)
    assert run.fits == (0.8, 0.9)
    assert run.intervals == {"test/accuracy": (0.8, 0.95)}
    assert is_run(tmp_path)


def test_a_failure_is_one_line(tmp_path):
    error = {"type": "ValueError", "message": "too\nlarge", "traceback_file": "traceback.txt"}
    run = read_run(write_result(tmp_path, None, status="failed", error=error))
    assert (run.error, run.traceback, run.value) == ("ValueError: too large", "traceback.txt", None)


def test_a_folder_without_a_result_is_an_unfinished_run(tmp_path):
    assert read_run(tmp_path).status == "unfinished"
    assert not is_run(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        [],
        "text",
        {"objective": 3, "metrics": [1], "seconds": "x", "folds": {"a": 1}, "error": 7},
        {"objective": {"value": "0.9", "epoch": -1}, "metrics": {"a": None, "b": True}, "epochs": 1.5},
        {"objective": {"value": 1e999}, "intervals": {"test/a": {"low": None, "high": 1}}, "repeats": [3]},
    ],
)
def test_a_file_of_somebody_else_says_nothing_wrong(tmp_path, content):
    (tmp_path / "result.json").write_text(json.dumps(content))
    run = read_run(tmp_path)
    assert (run.value, run.epochs, run.fits, run.repeats) == (None, None, (), ())
    assert dict(run.metrics) == {}


def test_a_task_with_files_of_its_own_is_read(tmp_path):
    (tmp_path / "trial.json").write_text(json.dumps({"status": "completed", "values": [1], "seconds": 2.5}))
    assert (read_run(tmp_path).status, read_run(tmp_path).seconds) == ("completed", 2.5)


def test_a_curve_has_gaps_where_nothing_was_measured(tmp_path):
    write_curve(tmp_path, [0.5, None, 0.75])
    assert read_curve(tmp_path, "val/accuracy") == (0.5, None, 0.75)
    assert read_curve(tmp_path, "val/loss") == ()


@pytest.mark.parametrize("content", ["", "epoch,val/accuracy\n0,x\n", "epoch,val/accuracy\n0\n"])
def test_a_damaged_curve_is_none(tmp_path, content):
    (tmp_path / "curves.csv").write_text(content)
    assert read_curve(tmp_path, "val/accuracy") == ()
