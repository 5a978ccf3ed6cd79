import pytest
from executor_contexts import MINIMIZED
from hydra.core.utils import JobReturn, JobStatus

from lightune.study.executors.ending import EndedBeforeError, end_of, require_not_ended
from lightune.study.executors.executor import Job
from lightune.study.outcome.outcome import Outcome, commit, read_outcome
from lightune.trial import Trial

JOB = Job(Trial(3), ("x=1",))


def returned(value):
    job = JobReturn()
    job.return_value, job.status = value, JobStatus.COMPLETED
    return job


def test_a_trial_that_returned_has_its_values_and_leaves_them_in_its_folder(tmp_path):
    done = end_of(JOB, objectives=MINIMIZED, folder=tmp_path, returned=returned(0.5), seconds=2.0)
    assert (done.number, done.outcome.status, done.outcome.values) == (3, "completed", (0.5,))
    assert read_outcome(tmp_path, MINIMIZED).values == (0.5,)


@pytest.mark.parametrize("how", [{"interrupted": True}, {"lost": True}])
def test_a_trial_that_was_stopped_from_outside_is_not_over(tmp_path, how):
    done = end_of(JOB, objectives=MINIMIZED, folder=tmp_path, error="its node is gone", **how)
    assert (done.outcome.status, done.outcome.is_final) == ("interrupted", False)
    assert done.lost == how.get("lost", False)
    assert read_outcome(tmp_path, MINIMIZED) is None


def test_a_trial_whose_process_ended_has_failed_of_that(tmp_path):
    done = end_of(JOB, objectives=MINIMIZED, folder=tmp_path, error="its process was ended by SIGSEGV")
    assert (done.outcome.status, done.outcome.error) == ("failed", "its process was ended by SIGSEGV")


@pytest.mark.parametrize(
    ("job", "how", "status"),
    [
        (returned(0.5), {}, "completed"),
        (None, {}, "failed"),
        (None, {"interrupted": True}, "interrupted"),
    ],
)
def test_outside_of_a_study_nobody_judges_a_value(job, how, status):
    done = end_of(JOB, objectives=None, returned=job, error="gone", **how)
    assert (done.outcome.status, done.outcome.values) == (status, None)


def test_a_folder_that_holds_a_failed_attempt_says_nothing_of_this_one(tmp_path):
    commit(tmp_path, Outcome("failed", None, 1.0, "the first attempt"))
    second = Job(Trial(3, attempt=1), ("x=1",))
    done = end_of(second, objectives=MINIMIZED, folder=tmp_path, returned=returned(0.5))
    assert (done.outcome.status, done.outcome.values) == ("completed", (0.5,))


def test_a_trial_to_resume_may_have_ended_meanwhile(tmp_path):
    resumed = Job(Trial(3, resume=True), ())
    require_not_ended(resumed, tmp_path, MINIMIZED)
    commit(tmp_path, Outcome("completed", (0.25,), 1.0))
    with pytest.raises(EndedBeforeError) as ended:
        require_not_ended(resumed, tmp_path, MINIMIZED)
    assert ended.value.done.outcome.values == (0.25,)
    require_not_ended(JOB, tmp_path, MINIMIZED)  # which begins from scratch
    require_not_ended(resumed, tmp_path, None)
