import json
import re

import pytest

from lightune.study.definition.settings import Objective
from lightune.study.outcome.outcome import (
    FINAL,
    Outcome,
    commit,
    is_complete,
    is_final,
    outcome_of_value,
    read_outcome,
    read_status,
    settle,
)

ONE = (Objective("val/loss", "min"),)
TWO = (Objective("val/loss", "min"), Objective("parameters", "min"))


def test_one_list_says_which_statuses_are_final():
    assert FINAL == ("completed", "early_stopped", "pruned", "failed")
    assert [status for status in (*FINAL, "interrupted", "running") if is_final(status)] == list(FINAL)
    assert [status for status in FINAL if is_complete(status)] == ["completed", "early_stopped"]


@pytest.mark.parametrize(
    ("outcome", "final", "counts", "failed"),
    [
        (Outcome("completed", (1.0,)), True, True, False),
        (Outcome("completed", ()), True, False, False),
        (Outcome("pruned"), True, False, False),
        (Outcome("failed"), True, False, True),
        (Outcome("interrupted"), False, False, False),
    ],
)
def test_an_outcome_knows_what_it_means(outcome, final, counts, failed):
    assert (outcome.is_final, outcome.counts, outcome.failed) == (final, counts, failed)


@pytest.mark.parametrize(
    ("returned", "objectives", "values"),
    [
        (0.5, ONE, (0.5,)),
        (True, ONE, (1.0,)),
        ("0.5", ONE, (0.5,)),
        ([1, 2], TWO, (1.0, 2.0)),
        ((1, 2), TWO, (1.0, 2.0)),
    ],
)
def test_a_number_for_each_objective_is_the_outcome(returned, objectives, values):
    assert outcome_of_value(returned, objectives) == Outcome("completed", values)


@pytest.mark.parametrize(
    ("returned", "objectives", "wanted"),
    [
        (None, ONE, "a finite number, got None"),
        (float("nan"), ONE, "a finite number, got nan"),
        (float("inf"), ONE, "a finite number, got inf"),
        ([1.0], TWO, r"2 finite numbers, got \[1.0\]"),
        ("good", ONE, "a finite number, got 'good'"),
    ],
)
def test_anything_else_fails_the_trial(returned, objectives, wanted):
    outcome = outcome_of_value(returned, objectives)
    assert outcome.failed
    assert re.search(wanted, outcome.error)


def test_a_plain_grid_needs_no_value():
    assert outcome_of_value(None, (Objective(None, "min", required=False),)) == Outcome("completed", ())


@pytest.mark.parametrize(
    "outcome",
    [Outcome("completed", (0.5,), 2.0), Outcome("pruned", None, 1.0), Outcome("failed", None, 1.0, "it broke")],
)
def test_what_is_committed_is_read_back(tmp_path, outcome):
    commit(tmp_path / "new", outcome)
    assert read_outcome(tmp_path / "new", ONE) == outcome
    assert read_status(tmp_path / "new") == outcome.status


def test_a_file_of_the_tasks_own_stays(tmp_path):
    (tmp_path / "result.json").write_text('{"mine": 1}')
    commit(tmp_path, Outcome("completed", (0.5,)))
    assert json.loads((tmp_path / "result.json").read_text()) == {"mine": 1}
    assert read_outcome(tmp_path, ONE).values == (0.5,)


def write(folder, **content):
    (folder / "result.json").write_text(json.dumps({"schema": 1, "status": "completed", **content}))


def test_the_result_of_a_training_is_read_by_the_names_of_the_objectives(tmp_path):
    write(
        tmp_path,
        objective={"metric": "val/accuracy", "value": 0.9},
        metrics={"val/loss": 0.25},
        seconds={"setup": 1.0, "train": 2.0},
    )
    accuracy, seconds = Objective("val/accuracy", "max"), Objective("seconds", "min")
    assert read_outcome(tmp_path, (accuracy, ONE[0], seconds)).values == (0.9, 0.25, 3.0)
    assert read_outcome(tmp_path, TWO) is None  # which does not say its number of parameters


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 2, "status": "completed"}', '{"schema": 1, "status": "odd"}']
)
def test_a_file_that_is_no_result_says_nothing(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    assert read_outcome(tmp_path, ONE) is None
    assert read_status(tmp_path) is None


def interrupted_result(**changes):
    """The content of a training's own result that says it was interrupted."""
    objective = {"metric": "val/loss", "mode": "min", "value": 0.5, "epoch": 3, "std": None}
    return {"status": "interrupted", "objective": objective, "metrics": {}, "error": None, **changes}


def test_a_training_that_was_interrupted_and_is_given_up_says_that_it_failed(tmp_path):
    write(tmp_path, **interrupted_result())
    commit(tmp_path, Outcome("failed", None, 1.0, "it was interrupted from outside"))
    content = json.loads((tmp_path / "result.json").read_text())
    assert (content["status"], content["objective"]["value"]) == ("failed", 0.5)
    assert content["error"].keys() == {"type", "message", "traceback_file"}
    assert read_status(tmp_path) == "failed"
    assert read_outcome(tmp_path, ONE).error == "TrialError: it was interrupted from outside"
    assert not (tmp_path / "trial.json").exists()


def test_what_a_full_disk_has_stopped_is_not_over(tmp_path):
    error = {"type": "UnwritableError", "message": "the disk is full", "traceback_file": ""}
    write(tmp_path, **interrupted_result(status="failed", error=error))
    outcome = read_outcome(tmp_path, ONE)
    assert (outcome.status, outcome.unwritable, outcome.is_final) == ("interrupted", True, False)
    assert read_status(tmp_path) == "interrupted"


@pytest.mark.parametrize("name", ["result.json", "trial.json"])
def test_a_word_on_a_trial_is_said_once(tmp_path, name):
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / name).write_text(json.dumps({"schema": 1, "status": "completed", "values": [0.5]}))
    before = sorted((path.name, path.read_text()) for path in tmp_path.iterdir())
    settle(tmp_path, Outcome("failed", None, 1.0, "its process ended"))
    assert sorted((path.name, path.read_text()) for path in tmp_path.iterdir()) == before


def test_a_folder_that_says_nothing_or_not_the_end_is_told(tmp_path):
    settle(tmp_path / "new", Outcome("pruned"))
    assert read_status(tmp_path / "new") == "pruned"
    commit(tmp_path, Outcome("interrupted"))
    settle(tmp_path, Outcome("failed", None, 1.0, "its process ended"))
    assert read_status(tmp_path) == "failed"
