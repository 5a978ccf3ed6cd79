"""The driver with an executor that does what a test says, on a record as it is in use."""

import pytest

from lightune.study.definition.settings import Objective
from lightune.study.driver import Driver
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Started
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.outcome import Outcome, commit
from lightune.study.signals import StopSignal

ONE = (Objective(None, "min"),)


class OneAtATime:
    """Runs one trial at a time; `play` is what happens to it, and takes its job."""

    def __init__(self, play):
        self._play, self._job, self.jobs = play, None, []

    def free(self):
        return int(self._job is None)

    def submit(self, job):
        self.jobs.append(job)
        self._job = job

    def wait(self, seconds):
        job, self._job = self._job, None
        return list(self._play(job))

    def interrupt(self):
        """Leave it to the trial."""

    def close(self):
        """There is nothing to end."""


@pytest.fixture
def drive():
    """Run a study; return how it ended, its executor, and the trials whose end was shown and filed."""

    def run(book, play, stop=None):
        executor = OneAtATime(play)
        shown, filed = [], []

        class Display:
            def say(self, line):
                """Nobody reads it."""

            def began(self, rows):
                """Nobody looks."""

            def ended(self, row, rows, best):
                shown.append((row.number, row.state, len(executor.jobs)))

        class Files:
            def update(self, rows, best):
                """Nobody reads them."""

            def end(self, row):
                filed.append((row.number, row.state))

        ending = Driver(book, executor, Display(), stop=stop or StopSignal(), files=Files()).run()
        return ending, executor, shown, filed

    return run


def number(job):
    return job.trial.number


def completed(job):
    return [Done(number(job), Outcome("completed", (1.0,), 0.1))]


def test_the_end_of_a_trial_is_shown_and_filed_when_the_next_has_its_place(book, drive):
    ending, _, shown, filed = drive(book("x=1,2,3"), completed)
    assert shown == [(0, "completed", 2), (1, "completed", 3), (2, "completed", 3)]
    assert filed == [(0, "completed"), (1, "completed"), (2, "completed")]
    assert ending.exit_code == 0


def test_failures_of_another_sweeper_stop_this_one(book, drive):
    mine, other = book("x=1,2,3,4,5", max_failures=1), book("x=1,2,3,4,5", max_failures=1)

    def play(job):
        for _ in range(2):
            other.tell(other.next(set()).number, Outcome("failed", None, 0.1, "told to"))
        return completed(job)

    ending, executor, _, _ = drive(mine, play)
    assert [number(job) for job in executor.jobs] == [0]
    assert (ending.too_many_failures, ending.exit_code) == (True, 1)


def test_a_trial_that_is_handed_over_when_a_signal_comes_is_left_to_the_next(book, drive, monkeypatch):
    study, stop = book("x=1,2"), StopSignal()
    hand_over = study.next

    def interrupted(*arguments, **settings):
        ticket = hand_over(*arguments, **settings)
        stop.hear(2, None)
        return ticket

    monkeypatch.setattr(study, "next", interrupted)
    ending, executor, _, _ = drive(study, completed, stop)
    assert (executor.jobs, ending.exit_code) == ([], 130)
    assert [row.state for row in ending.rows] == ["interrupted"]


def test_a_result_stands_whatever_becomes_of_its_process(book, drive):
    study = book("x=1,2")

    def play(job):
        folder = study.folder / str(number(job))
        commit(folder, Outcome("completed", (4.0,), 1.0))
        done = end_of(job, objectives=ONE, folder=folder, error="its process was ended by SIGSEGV")
        return [Started(number(job), folder), done]

    ending, _, _, _ = drive(study, play)
    assert [(row.state, row.values) for row in ending.rows] == [("completed", (4.0,))] * 2


def fail_first(study, stop, second):
    """Return a play whose first start fails, and whose second is as told when a signal has come."""

    def play(job):
        folder = study.folder / "0"
        if not job.trial.attempt:
            commit(folder, Outcome("failed", None, 0.1, "told to"))
            return [Started(0, folder), end_of(job, objectives=ONE, folder=folder, error="told to")]
        stop.hear(2, None)
        return second

    return play


def test_a_start_that_was_stopped_before_it_had_its_folder_is_not_the_failure_before_it(book, drive):
    study, stop = book("x=1", retries=1), StopSignal()
    lost = [Done(0, Outcome("interrupted", None, 0.1, "its process was ended by SIGINT"))]
    ending, executor, _, _ = drive(study, fail_first(study, stop, lost), stop)
    assert [job.trial.attempt for job in executor.jobs] == [0, 1]
    assert [row.state for row in ending.rows] == ["interrupted"]
    assert (study.next(set()).attempt, ending.exit_code) == (1, 130)


def test_a_trial_that_fails_when_a_signal_has_come_keeps_its_other_starts(book, drive):
    study, stop = book("x=1", retries=2), StopSignal()
    failed = [Done(0, Outcome("failed", None, 0.1, "told to"))]
    ending, _, _, _ = drive(study, fail_first(study, stop, failed), stop)
    assert [row.state for row in ending.rows] == ["interrupted"]
    make_room(study.folder / "0", 1)
    commit(study.folder / "0", failed[0].outcome)  # as its process has done
    assert study.next(set()).attempt == 2
    study.tell(0, failed[0].outcome)
    assert study.next(set()) is None


def test_a_trial_whose_machine_is_lost_goes_on_on_another_but_not_for_ever(book, drive):
    study, seen = book("x=1,2", max_failures=1), []

    def play(job):
        seen.append((number(job), job.trial.resume))
        if number(job) == 0:
            return [Done(0, Outcome("interrupted", None, 0.1, "its node was lost: told to"), lost=True)]
        return completed(job)

    ending, _, _, _ = drive(study, play)
    assert seen == [(0, False), (0, True), (0, True), (0, True), (1, False)]
    assert [row.state for row in ending.rows] == ["failed", "completed"]
    assert ending.rows[0].error == "it lost its place 4 times; at last its node was lost: told to"
