"""The driver with an executor that does what a test says, on a record as it is in use."""

import pytest

from lightune.study.definition.settings import Objective
from lightune.study.driver import Driver
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Message, Started
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.outcome import Outcome, commit, read_outcome
from lightune.study.signals import StopSignal

ONE = (Objective(None, "min"),)


class Executor:
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


class Observer:
    """Keeps what it is shown: of trials that ended, how many were submitted then."""

    def __init__(self, executor):
        self._executor = executor
        self.started, self.ended, self.messages, self.endings, self.ticks = [], [], [], [], 0

    def trial_started(self, number):
        self.started.append(number)

    def trial_ended(self, trial):
        self.ended.append((trial.number, trial.state, len(self._executor.jobs)))

    def message(self, text):
        self.messages.append(text)

    def tick(self):
        self.ticks += 1

    def study_ended(self, ending):
        self.endings.append(ending)


@pytest.fixture
def drive():
    """Run a study; return how it ended, its executor and its observer."""

    def run(store, play, stop=None):
        executor = Executor(play)
        observer = Observer(executor)
        ending = Driver(store, executor, [observer], stop=stop or StopSignal(), poll=0.01).run()
        assert observer.endings == [ending]
        return ending, executor, observer

    return run


def number(job):
    return job.trial.number


def completed(job):
    return [Done(number(job), Outcome("completed", (1.0,), 0.1))]


def test_the_end_of_a_trial_is_shown_when_the_next_has_its_place(open_store, drive):
    ending, _, observer = drive(open_store("x=1,2,3"), completed)
    assert observer.ended == [(0, "completed", 2), (1, "completed", 3), (2, "completed", 3)]
    assert observer.ticks >= 3
    assert ending.exit_code == 0


def test_observers_hear_of_folders_and_of_messages(open_store, drive):
    study = open_store("x=1")

    def play(job):
        return [Started(number(job), study.folder / "0"), Message("a line"), *completed(job)]

    _, _, observer = drive(study, play)
    assert (observer.started, observer.messages) == ([0], ["a line"])


def test_observers_are_told_in_their_order(open_store):
    order = []

    class Named(Observer):
        def trial_ended(self, trial):
            order.append(self.name)

    study, executor = open_store("x=1"), Executor(completed)
    first, second = Named(executor), Named(executor)
    first.name, second.name = "first", "second"
    Driver(study, executor, [first, second], stop=StopSignal()).run()
    assert order == ["first", "second"]


def test_a_driver_waits_for_the_trials_of_others_and_takes_what_they_leave(open_store, drive):
    study, other = open_store("x=1,2"), open_store("x=1,2")
    assert other.ask(set()).number == 0

    def play(job):
        if number(job) == 1:
            other.lease.end()  # as when it is killed
        return completed(job)

    ending, executor, _ = drive(study, play)
    assert [number(job) for job in executor.jobs] == [1, 0]
    assert [trial.state for trial in ending.trials] == ["completed", "completed"]


def test_failures_of_another_sweeper_stop_this_one(open_store, drive):
    mine, other = open_store("x=1,2,3,4,5", max_failures=1), open_store("x=1,2,3,4,5", max_failures=1)

    def play(job):
        for _ in range(2):
            other.tell(other.ask(set()).number, Outcome("failed", None, 0.1, "told to"))
        return completed(job)

    ending, executor, _ = drive(mine, play)
    assert [number(job) for job in executor.jobs] == [0]
    assert (ending.too_many_failures, ending.exit_code) == (True, 1)


def test_a_trial_that_is_handed_over_when_a_signal_comes_is_left_to_the_next(open_store, drive, monkeypatch):
    study, stop = open_store("x=1,2"), StopSignal()
    hand_over = study.ask

    def interrupted(*arguments, **settings):
        trial = hand_over(*arguments, **settings)
        stop.hear(2, None)
        return trial

    monkeypatch.setattr(study, "ask", interrupted)
    ending, executor, _ = drive(study, completed, stop)
    assert (executor.jobs, ending.exit_code) == ([], 130)
    assert [trial.state for trial in ending.trials] == ["interrupted"]


def test_a_result_stands_whatever_becomes_of_its_process(open_store, drive):
    study = open_store("x=1,2")

    def play(job):
        folder = study.folder / str(number(job))
        commit(folder, Outcome("completed", (4.0,), 1.0))
        done = end_of(job, objectives=ONE, folder=folder, error="its process was ended by SIGSEGV")
        return [Started(number(job), folder), done]

    ending, _, _ = drive(study, play)
    assert [(trial.state, trial.values) for trial in ending.trials] == [("completed", (4.0,))] * 2


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


def test_a_start_that_was_stopped_before_it_had_its_folder_is_not_the_failure_before_it(open_store, drive):
    study, stop = open_store("x=1", retries=1), StopSignal()
    lost = [Done(0, Outcome("interrupted", None, 0.1, "its process was ended by SIGINT"))]
    ending, executor, _ = drive(study, fail_first(study, stop, lost), stop)
    assert [job.trial.attempt for job in executor.jobs] == [0, 1]
    assert [trial.state for trial in ending.trials] == ["interrupted"]
    assert (study.ask(set()).attempt, ending.exit_code) == (1, 130)


def test_a_trial_that_fails_when_a_signal_has_come_keeps_its_other_starts(open_store, drive):
    study, stop = open_store("x=1", retries=2), StopSignal()
    failed = [Done(0, Outcome("failed", None, 0.1, "told to"))]
    ending, _, _ = drive(study, fail_first(study, stop, failed), stop)
    assert [trial.state for trial in ending.trials] == ["interrupted"]
    make_room(study.folder / "0", 1)
    commit(study.folder / "0", failed[0].outcome)  # as its process has done
    assert study.ask(set()).attempt == 2
    study.tell(0, failed[0].outcome)
    assert study.ask(set()) is None


def test_a_trial_whose_machine_is_lost_goes_on_on_another_but_not_for_ever(open_store, drive):
    study, seen = open_store("x=1,2", max_failures=1), []

    def play(job):
        seen.append((number(job), job.trial.resume))
        if number(job) == 0:
            return [Done(0, Outcome("interrupted", None, 0.1, "its node was lost: told to"), lost=True)]
        return completed(job)

    ending, _, _ = drive(study, play)
    assert seen == [(0, False), (0, True), (0, True), (0, True), (1, False)]
    assert [trial.state for trial in ending.trials] == ["failed", "completed"]
    assert ending.trials[0].error == "it lost its place 4 times; at last its node was lost: told to"


@pytest.mark.parametrize(
    ("done", "state", "error"),
    [
        (Done(0, Outcome("completed", (1.0,), 0.1)), "completed", None),
        (Done(0, Outcome("failed", None, 0.1, "its process was ended by SIGTERM")), "failed", "SIGTERM"),
        (Done(0, Outcome("interrupted", None, 0.1)), "failed", "it was interrupted from outside"),
        (Done(0, Outcome("interrupted", None, 0.1, "told to"), lost=True), "failed", "it lost its place 4 times"),
    ],
    ids=["not written", "killed", "interrupted", "lost"],
)
@pytest.mark.parametrize("announced", [True, False], ids=["folder known", "folder not known yet"])
def test_the_folder_of_a_trial_says_what_the_record_says(open_store, done, state, error, announced):
    study = open_store("x=1", max_failures=1)
    folder = study.folder / "trials" / "0"

    def play(job):
        return [*([Started(0, folder)] if announced else []), done]

    Driver(study, Executor(play), stop=StopSignal(), place_of=lambda job: folder).run()
    (trial,) = study.records()
    assert (trial.state, trial.folder) == (state, "trials/0")
    written = read_outcome(folder, ONE)
    assert (written.status, written.values, written.error) == (state, trial.values, trial.error)
    assert error is None or error in written.error


def test_a_start_that_fails_in_a_folder_that_holds_an_earlier_failure_is_told_beside_that(open_store, drive):
    study = open_store("x=1", retries=1, max_failures=1)
    folder = study.folder / "0"

    def play(job):
        if not job.trial.attempt:
            return [Started(0, folder), end_of(job, objectives=ONE, folder=folder, error="the first time")]
        return [Done(0, Outcome("failed", None, 0.1, "its process was ended by SIGTERM"))]

    drive(study, play)
    assert read_outcome(folder / "attempts" / "1", ONE).error == "the first time"
    assert read_outcome(folder, ONE).error == "its process was ended by SIGTERM"


def unwritable(job):
    return [Done(number(job), Outcome("interrupted", None, 0.1, "No space left on device", unwritable=True))]


def test_a_full_disk_stops_the_study_and_costs_no_trial(open_store, drive):
    study = open_store("x=1,2,3")
    ending, executor, _ = drive(study, lambda job: unwritable(job) if number(job) == 1 else completed(job))
    assert [number(job) for job in executor.jobs] == [0, 1]
    assert [trial.state for trial in ending.trials] == ["completed", "interrupted"]
    assert (ending.unwritable, ending.exit_code) == ("trial 1: No space left on device", 1)
    ending, executor, _ = drive(open_store("x=1,2,3"), completed)
    assert [(number(job), job.trial.resume) for job in executor.jobs] == [(1, True), (2, False)]
    assert (ending.unwritable, ending.exit_code) == (None, 0)


def test_a_trial_that_runs_when_the_disk_is_full_is_asked_to_save_and_left_to_the_next(open_store):
    class Two(Executor):
        """Runs two trials; the first finds the disk full, the second saves when it is asked to."""

        def __init__(self):
            super().__init__(None)
            self.asked = False

        def free(self):
            return 2 - len(self.jobs)

        def submit(self, job):
            self.jobs.append(job)

        def wait(self, seconds):
            return [Done(1, Outcome("interrupted", None, 0.1))] if self.asked else unwritable(self.jobs[0])

        def interrupt(self):
            self.asked = True

    study = open_store("x=1,2,3")
    ending = Driver(study, Two(), stop=StopSignal()).run()
    assert [trial.state for trial in ending.trials] == ["interrupted", "interrupted"]


def test_a_trial_that_finds_the_disk_full_each_time_is_the_cause_in_the_end(open_store, drive):
    codes = []
    for _ in range(4):
        ending, _, _ = drive(
            open_store("x=1,2", max_failures=1), lambda job: completed(job) if number(job) else unwritable(job)
        )
        codes.append(ending.exit_code)
    assert codes == [1, 1, 1, 0]
    assert [trial.state for trial in ending.trials] == ["failed", "completed"]
    assert ending.trials[0].error == "No space left on device"


@pytest.mark.parametrize("retries", [0, 1])
def test_a_disk_that_is_full_at_the_end_of_a_trial_leaves_it_to_the_next(open_store, drive, monkeypatch, retries):
    study = open_store("x=1,2", retries=retries)

    def play(job):
        return [Started(number(job), study.folder / str(number(job))), *completed(job)]

    def write_json(target, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lightune.study.outcome.outcome.write_json", write_json)
        with pytest.raises(OSError, match="No space left"):
            drive(study, play)
    study.lease.end()  # as the sweep does
    ending, executor, _ = drive(open_store("x=1,2", retries=retries), play)
    assert [number(job) for job in executor.jobs] == [0, 1]
    assert [trial.state for trial in ending.trials] == ["completed"] * 2


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_what_a_killed_trial_left_half_written_is_cleared_away(open_store, drive, state):
    study = open_store("x=1", max_failures=1)
    folder = study.folder / "0"

    def play(job):
        folder.mkdir()
        if state == "completed":
            commit(folder, Outcome("completed", (4.0,), 1.0))
        for name in (".lock", ".result.json.0123.tmp"):
            (folder / name).touch()
        return [Started(0, folder), end_of(job, objectives=ONE, folder=folder, error="its process was ended")]

    ending, _, _ = drive(study, play)
    assert ending.trials[0].state == state
    assert [path.name for path in folder.iterdir()] == ["result.json"]


def test_a_folder_that_a_lost_machine_may_still_write_is_left_alone(open_store, drive):
    study = open_store("x=1", max_failures=1)
    folder = study.folder / "0"

    def play(job):
        folder.mkdir(exist_ok=True)
        (folder / ".result.json.0123.tmp").touch()
        return [Started(0, folder), Done(0, Outcome("interrupted", None, 0.1, "gone"), lost=True)]

    drive(study, play)
    assert (folder / ".result.json.0123.tmp").exists()
