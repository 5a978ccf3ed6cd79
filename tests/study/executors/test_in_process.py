import pytest
from executor_contexts import context_of

from lightune.study.executors import in_process
from lightune.study.executors.executor import Done, Job, Started
from lightune.study.executors.in_process import InProcessExecutor
from lightune.study.outcome.outcome import Outcome, commit
from lightune.trial import Trial, current_trial

JOB = Job(Trial(4), ("x=1",))


@pytest.fixture
def executor(tmp_path, monkeypatch):
    """An executor whose jobs run a function in the folder of the trial, without composing anything."""
    monkeypatch.setattr(
        in_process, "Composer", lambda *_: type("Composer", (), {"compose_for_job": lambda *_: None})()
    )
    reports = []

    def make(act):
        def run_job(made, *, number, started, **_):
            started(tmp_path / str(number))
            act()

        monkeypatch.setattr(in_process, "run_job", run_job)
        report = lambda number, step, value: reports.append((number, step, value)) or False  # noqa: E731
        return InProcessExecutor(context_of(study=tmp_path, report=report))

    make.reports = reports
    return make


def test_there_is_room_for_one_trial(executor):
    runner = executor(lambda: None)
    assert runner.free() == 1
    runner.submit(JOB)
    assert runner.free() == 0


def test_waiting_without_a_trial_brings_nothing(executor):
    assert list(executor(lambda: None).wait(0.0)) == []


def test_the_folder_is_told_before_the_end_and_the_task_knows_its_trial(executor, tmp_path):
    seen = []
    runner = executor(lambda: seen.append(current_trial().number))
    runner.submit(JOB)
    started, done = runner.wait(0.0)
    assert started == Started(4, tmp_path / "4")
    assert isinstance(done, Done)
    assert seen == [4]
    assert current_trial() is None


def test_reports_go_to_the_study_with_the_number_of_the_trial(executor):
    runner = executor(lambda: (current_trial().report(2, 0.5), None)[1])
    runner.submit(JOB)
    runner.wait(0.0)
    assert executor.reports == [(4, 2, 0.5)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no  such\nthing"), "ValueError: no such thing"),
        (SystemExit(3), "the task called sys.exit(3)"),
        (KeyboardInterrupt(), "the task raised KeyboardInterrupt"),
    ],
)
def test_what_a_job_raises_fails_that_trial_alone(executor, error, said):
    def act():
        raise error

    runner = executor(act)
    runner.submit(JOB)
    done = runner.wait(0.0)[-1]
    assert (done.outcome.status, done.outcome.error) == ("failed", said)
    assert runner.free() == 1


def test_a_trial_that_is_interrupted_is_not_over(executor):
    runner = executor(lambda: runner.interrupt())
    runner.submit(JOB)
    assert runner.wait(0.0)[-1].outcome.status == "interrupted"
    runner.submit(JOB)  # it came before the driver heard of the signal
    assert [event.outcome.status for event in runner.wait(0.0)] == ["interrupted"]


def test_a_signal_between_trials_raises_nothing(executor):
    executor(lambda: None).interrupt()


def test_a_trial_that_has_ended_before_anybody_heard_of_it_is_not_run_again(executor, tmp_path):
    ran = []
    commit(tmp_path / "4", Outcome("completed", (0.25,), 7.0))
    runner = executor(lambda: ran.append(True))
    runner.submit(Job(Trial(4, resume=True), ()))
    started, done = runner.wait(0.0)
    assert (started.folder, done.outcome.values, ran) == (tmp_path / "4", (0.25,), [])
