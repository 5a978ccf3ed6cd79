import pytest
from hydra.core.utils import JobReturn, JobStatus

from lightune.errors import ConfigError, Problem
from lightune.study.definition.settings import Objective
from lightune.study.executors.batch import BatchExecutor
from lightune.study.executors.executor import Done, Job, Started
from lightune.trial import Trial, current_trial

ONE = (Objective(None, "min"),)


class Launcher:
    """Runs a batch at once, or fails."""

    def __init__(self, *, error=None):
        self.error, self.batches, self.seen, self.settled = error, [], [], []

    def launch(self, job_overrides, initial_job_idx):
        self.batches.append((initial_job_idx, job_overrides))
        self.seen.append(current_trial())
        if self.error is not None:
            raise self.error
        returned = JobReturn()
        returned.return_value, returned.status = 1.0, JobStatus.COMPLETED
        return [returned for _ in job_overrides]


@pytest.fixture
def executor(tmp_path):
    def make(launcher, *numbers, folder_of=None):
        made = BatchExecutor(
            launcher,
            size=len(numbers),
            objectives=ONE,
            folder_of=folder_of or (lambda job: tmp_path / str(job.trial.number)),
            trials={},
            settle=launcher.settled.append,
        )
        for number in numbers:
            made.submit(Job(Trial(number), (f"x={number}",)))
        return made

    return make


def test_folders_are_known_before_a_batch_runs(executor, tmp_path):
    launcher = Launcher()
    made = executor(launcher, 4, 5)
    assert list(made.wait(0)) == [Started(number, tmp_path / str(number)) for number in (4, 5)]
    assert not launcher.batches
    assert made.free() == 0
    events = made.wait(0)
    assert [(type(event), event.number) for event in events] == [(Done, 4), (Done, 5)]
    assert launcher.batches == [(4, [["x=4"], ["x=5"]])]
    assert made.free() == 2


def test_numbers_with_a_gap_are_batches_of_their_own(executor):
    launcher = Launcher()
    made = executor(launcher, 7, 2, 3)
    made.wait(0)
    made.wait(0)
    assert [first for first, _ in launcher.batches] == [2, 7]


def test_a_launcher_that_fails_costs_its_batch(executor):
    launcher = Launcher(error=OSError("no queue"))
    made = executor(launcher, 1, 2)
    made.wait(0)
    events = made.wait(0)
    assert [event.returned.status for event in events] == [JobStatus.FAILED] * 2
    assert [event.outcome.error for event in events] == ["OSError: no queue"] * 2
    assert launcher.settled == [1, 2]  # a job of theirs may still run


def test_a_signal_between_batches_stops_the_next_and_raises_nothing(executor):
    launcher = Launcher()
    made = executor(launcher, 1)
    made.wait(0)
    made.interrupt()
    (event,) = made.wait(0)
    assert event.outcome.status == "interrupted"
    assert not launcher.batches


def test_what_a_failed_start_left_is_moved_before_its_batch_runs_again(executor, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "result.json").write_text("failed")
    made = executor(Launcher())
    made.submit(Job(Trial(0, attempt=1), ()))
    made.wait(0)
    assert (tmp_path / "0" / "attempts" / "1" / "result.json").read_text() == "failed"
    assert not (tmp_path / "0" / "result.json").exists()


def test_a_trial_that_is_refused_fails_and_the_others_of_its_batch_run(executor, tmp_path):
    def folder_of(job):
        if job.trial.number == 2:
            raise ConfigError([Problem("model.units", "must be > 0, got 0")])
        return tmp_path / str(job.trial.number)

    launcher = Launcher()
    made = executor(launcher, 1, 2, folder_of=folder_of)
    failed, started = made.wait(0)
    assert (failed.number, failed.outcome.status, started) == (2, "failed", Started(1, tmp_path / "1"))
    assert "model.units: must be > 0, got 0" in failed.outcome.error
    assert [event.number for event in made.wait(0)] == [1]
    assert launcher.batches == [(1, [["x=1"]])]


def test_a_batch_whose_trials_are_all_refused_is_not_launched(executor):
    def folder_of(job):
        raise ConfigError([Problem("model.units", "must be > 0, got 0")])

    launcher = Launcher()
    made = executor(launcher, 0, 1, folder_of=folder_of)
    assert [event.outcome.status for event in made.wait(0)] == ["failed", "failed"]
    assert (made.free(), list(made.wait(0)), launcher.batches) == (2, [], [])
