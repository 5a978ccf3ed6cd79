import errno
import json

import pytest
from hydra.core.utils import JobReturn, JobStatus

from lightune.errors import UnwritableError
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


@pytest.mark.parametrize("unstated", [False, True])  # an objective that the task alone knows
@pytest.mark.parametrize(("stated", "seconds"), [(9.0, 9.0), (1.0, 2.0)])
def test_a_trial_has_the_seconds_of_all_its_parts(tmp_path, stated, seconds, unstated):
    content = {"schema": 1, "status": "completed", "seconds": {"train": stated}, "objective": {"value": 0.8}}
    (tmp_path / "result.json").write_text(json.dumps(content))
    returned = JobReturn()
    returned.return_value, returned.status = (0.8, 7) if unstated else 0.8, JobStatus.COMPLETED
    objectives = [Objective(None, "max"), *([Objective("parameters", "min")] if unstated else [])]
    assert judge(returned, tmp_path, objectives, seconds=2.0).seconds == seconds


def test_an_interrupted_start_is_no_result(tmp_path):
    commit(tmp_path, Outcome("interrupted", None, 1.0))
    outcome = judge(None, tmp_path, (Objective(None, "max"),), seconds=2.0, error="its process was ended")
    assert (outcome.status, outcome.error) == ("failed", "its process was ended")


def failed_of(error):
    returned = JobReturn()
    returned.return_value, returned.status = error, JobStatus.FAILED
    return returned


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("returned", "how"),
    [
        (failed_of(FULL), {}),
        (failed_of(UnwritableError("the disk is full")), {}),
        (None, {"unwritable": True, "error": "OSError: [Errno 28] No space left on device"}),
    ],
)
def test_a_full_disk_is_no_failure_of_a_trial(tmp_path, returned, how):
    outcome = judge(returned, tmp_path, (Objective(None, "max"),), seconds=2.0, **how)
    assert (outcome.status, outcome.unwritable) == ("interrupted", True)
    assert outcome.error
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ended_after_its_training_found_the_disk_full_is_no_failure_either(tmp_path):
    error = {"type": "UnwritableError", "message": "the disk is full", "traceback_file": ""}
    (tmp_path / "result.json").write_text(json.dumps({"schema": 1, "status": "failed", "error": error}))
    outcome = judge(None, tmp_path, (Objective(None, "max"),), seconds=2.0, error="its process ended")
    assert (outcome.status, outcome.unwritable) == ("interrupted", True)
    assert "the disk is full" in outcome.error


def test_a_result_comes_before_a_disk_that_was_full_afterwards(tmp_path):
    commit(tmp_path, Outcome("completed", (0.9,), 1.0))
    assert judge(failed_of(FULL), tmp_path, (Objective(None, "max"),), seconds=2.0).values == (0.9,)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_end_that_cannot_be_written_is_judged_all_the_same(tmp_path, monkeypatch, number):
    def write_json(target, content):
        raise OSError(number, "told to")

    monkeypatch.setattr("lightune.study.outcome.outcome.write_json", write_json)
    returned = JobReturn()
    returned.return_value, returned.status = 0.8, JobStatus.COMPLETED
    assert judge(returned, tmp_path, (Objective(None, "max"),), seconds=2.0).values == (0.8,)
    assert judge(failed(), tmp_path, (Objective(None, "max"),), seconds=2.0).status == "failed"
