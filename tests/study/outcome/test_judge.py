import json

import pytest
from hydra.core.utils import JobReturn, JobStatus

from lightune.study.definition.settings import Objective
from lightune.study.outcome.judge import judge, signal_of
from lightune.study.outcome.outcome import Outcome, commit


@pytest.mark.parametrize(
    ("code", "status", "number"),
    [
        (130, "interrupted", 2),
        (143, "interrupted", 15),
        (143, "failed", None),
        (3, "interrupted", None),
        (None, "interrupted", None),
    ],
)
def test_a_task_that_saved_and_left_for_a_signal_was_interrupted(tmp_path, code, status, number):
    (tmp_path / "result.json").write_text(json.dumps({"schema": 1, "status": status}))
    assert signal_of(SystemExit(code), tmp_path) == number


def test_a_task_that_left_no_word_was_not():
    assert signal_of(SystemExit(143), None) is None


def failed():
    returned = JobReturn()
    returned.return_value, returned.status = RuntimeError("another job of its batch crashed"), JobStatus.FAILED
    return returned


@pytest.mark.parametrize("returned", [None, failed()], ids=["its process died", "its batch broke"])
def test_what_comes_after_a_result_does_not_undo_it(tmp_path, returned):
    commit(tmp_path, Outcome("completed", (0.9,), 1.0))
    outcome = judge(returned, tmp_path, (Objective(None, "max"),), seconds=2.0, error="its process was ended")
    assert (outcome.status, outcome.values) == ("completed", (0.9,))
    assert not (tmp_path / "traceback.txt").exists()


def test_what_a_task_returns_comes_before_what_it_has_written(tmp_path):
    commit(tmp_path, Outcome("completed", (0.9,), 1.0))
    returned = JobReturn()
    returned.return_value, returned.status = 0.8, JobStatus.COMPLETED
    assert judge(returned, tmp_path, (Objective(None, "max"),), seconds=2.0).values == (0.8,)


@pytest.mark.parametrize(("stated", "seconds"), [(9.0, 9.0), (1.0, 2.0)])
def test_a_trial_has_the_seconds_of_all_its_parts(tmp_path, stated, seconds):
    content = {"schema": 1, "status": "completed", "seconds": {"train": stated}, "objective": {"value": 0.8}}
    (tmp_path / "result.json").write_text(json.dumps(content))
    returned = JobReturn()
    returned.return_value, returned.status = 0.8, JobStatus.COMPLETED
    assert judge(returned, tmp_path, (Objective(None, "max"),), seconds=2.0).seconds == seconds


def test_an_interrupted_start_is_no_result(tmp_path):
    commit(tmp_path, Outcome("interrupted", None, 1.0))
    outcome = judge(None, tmp_path, (Objective(None, "max"),), seconds=2.0, error="its process was ended")
    assert (outcome.status, outcome.error) == ("failed", "its process was ended")
