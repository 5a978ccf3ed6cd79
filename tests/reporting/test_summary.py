from pathlib import Path

import pytest
from rich.console import Console

from lightune.reporting.result import Entry, Failure, Objective, Result
from lightune.reporting.summary import show_summary


@pytest.fixture
def shown(tmp_path, monkeypatch, capsys):
    """Show a result; return label → text of each line."""
    monkeypatch.chdir(tmp_path)

    def show(fits=1, events="events.out.tfevents.1", **changes):
        given = {
            "run_dir": tmp_path / "outputs" / "runs" / "mine" / "first",
            "name": "mine",
            "status": "early_stopped",
            "objective": Objective("val/f1", "max", 0.98765, 3),
            "metrics": {"val/f1": 0.98765, "test/accuracy": 0.91, "test/f1": 0.92},
            "seed": 0,
            "epochs": 9,
            "steps": 90,
            "seconds": {"setup": 0.5, "train": 2.0, "validate": 0.25, "test": 0.25},
            "samples_per_second": 12345.6,
            "checkpoint": None,
            "error": None,
            "provenance": {},
            **changes,
        }
        if events and given["run_dir"].is_relative_to(tmp_path):
            file = given["run_dir"] / events
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        show_summary(Result(**given), Console(), output_root=tmp_path / "outputs", fits=fits)
        lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
        return {label.strip(): text.strip() for label, _, text in (line.partition("  ") for line in lines)}

    return show


def test_tells_the_objective_the_time_and_where_it_lies(shown):
    assert shown() == {
        "status": "early stopped",
        "val/f1": "0.9877  best, at epoch 4 of 9",
        "test/f1": "0.9200",
        "test/accuracy": "0.9100",
        "time": "2.0 s training, 3.0 s in all, 12,346 samples/s",
        "folder": "outputs/runs/mine/first",
        "look at it": "tensorboard --logdir outputs",
    }


def test_the_counterpart_of_the_objective_stands_first_among_the_test_metrics(shown):
    names = [name for name in shown() if name.startswith("test/")]
    assert names == ["test/f1", "test/accuracy"]


def test_leaves_out_what_was_not_measured(shown):
    lines = shown(objective=Objective("val/f1", "max", None, None), metrics={}, samples_per_second=None)
    assert lines.keys() == {"status", "time", "folder", "look at it"}
    assert lines["time"] == "2.0 s training, 3.0 s in all"


def test_says_what_failed_and_where_the_traceback_lies(shown):
    lines = shown(status="failed", error=Failure("RuntimeError", "it went off", "traceback.txt"))
    assert lines["error"] == "RuntimeError: it went off"
    assert lines["traceback"] == "outputs/runs/mine/first/traceback.txt"


def test_a_folder_elsewhere_is_shown_in_full(shown):
    assert shown(run_dir=Path("/elsewhere/first"))["folder"] == "/elsewhere/first"


def test_a_run_of_several_fits_that_was_cut_off_tells_how_far_it_came(shown):
    fold = Entry(0, 0, Objective("val/f1", "max", 0.9, 3), {}, 4, None)
    mean = Objective("val/f1", "max", 0.9, None)
    assert shown(fits=3, objective=mean, folds=[fold])["val/f1"] == "0.9000  mean of 1 of 3 fits"
    mean = Objective("val/f1", "max", 0.9, None, 0.01)
    assert shown(fits=3, objective=mean, folds=[fold] * 2)["val/f1"] == "0.9000 ± 0.0100  mean of 2 of 3 fits"
    assert shown(fits=2, objective=mean, folds=[fold] * 2)["val/f1"] == "0.9000 ± 0.0100  mean of 2 fits"


@pytest.mark.parametrize(("events", "is_shown"), [("fold_0/events.out.tfevents.1", True), (None, False)])
def test_a_run_that_logged_nothing_to_tensorboard_does_not_point_to_it(shown, events, is_shown):
    assert ("look at it" in shown(events=events)) is is_shown


def test_a_run_that_was_moved_is_looked_at_where_it_is(shown, tmp_path):
    assert shown(run_dir=tmp_path / "moved")["look at it"] == "tensorboard --logdir moved"
