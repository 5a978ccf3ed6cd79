"""A task in a process to which a launcher took it: what it does under the claim of its trial."""

import threading
from types import SimpleNamespace

import pytest

from lightune.errors import TrialError
from lightune.study.definition.settings import Objective, Settings
from lightune.study.executors import wrapped_task
from lightune.study.executors.wrapped_task import WrappedTask
from lightune.study.outcome.outcome import Outcome, commit, read_outcome
from lightune.study.storage.lease import Lease, lives
from lightune.study.storage.locks import claimed
from lightune.trial import PrunedError, Trial, current_trial

ONE = (Objective(None, "max"),)
TWO = (Objective("a", "max"), Objective("b", "min"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of trial 3, as Hydra's job knows it."""
    hydra = SimpleNamespace(job=SimpleNamespace(num=3), runtime=SimpleNamespace(output_dir=str(tmp_path / "3")))
    monkeypatch.setattr(wrapped_task.HydraConfig, "get", lambda: hydra)
    return tmp_path / "3"


@pytest.fixture
def wrap(tmp_path, place):
    """Make a task that a launcher takes elsewhere."""
    lease = Lease(tmp_path)

    def make(task, objectives=ONE):
        made = WrappedTask(task, study=tmp_path, settings=Settings(objectives), owner=lease.name)
        made.trials[3] = Trial(3, resume=True)
        return made

    yield make
    lease.end()


def never(config):
    raise AssertionError("it ran")


def is_claimed(study):
    """Tell whether somebody has trial 3, as one tells of a lease."""
    (study / ".leases" / "3").unlink(missing_ok=True)
    (study / ".leases" / "3").hardlink_to(study / ".claims" / "3")
    return lives(study, "3")


@pytest.mark.parametrize(
    ("objectives", "values", "returned"), [(ONE, (0.5,), 0.5), (TWO, (0.5, 2.0), (0.5, 2.0)), (ONE, (), None)]
)
def test_a_trial_that_was_finished_elsewhere_returns_what_it_did(wrap, place, objectives, values, returned):
    commit(place, Outcome("completed", values, 1.0))
    assert wrap(never, objectives)({}) == returned


@pytest.mark.parametrize(
    ("status", "raised", "said"), [("pruned", PrunedError, "^$"), ("failed", TrialError, "told to")]
)
def test_a_trial_that_ended_elsewhere_without_a_value_raises(wrap, place, status, raised, said):
    commit(place, Outcome(status, None, 1.0, "told to"))
    with pytest.raises(raised, match=said):
        wrap(never)({})


def test_a_trial_that_was_interrupted_goes_on(wrap, place):
    commit(place, Outcome("interrupted", None, 1.0))
    assert wrap(lambda config: 0.5)({}) == 0.5


def test_the_result_of_who_has_the_trial_is_looked_for_when_it_is_let_go(wrap, place, tmp_path, monkeypatch):
    waits, returned = threading.Event(), []

    def waiting(study, number):
        waits.set()
        return claimed(study, number)

    monkeypatch.setattr(wrapped_task, "claimed", waiting)
    task = wrap(never)
    with claimed(tmp_path, 3):  # by the one that it was taken from, who is not dead
        other = threading.Thread(target=lambda: returned.append(task({})))
        other.start()
        assert waits.wait(20)
        commit(place, Outcome("completed", (0.5,), 1.0))
    other.join(20)
    assert returned == [0.5]


def test_a_trial_is_claimed_while_it_runs_and_its_end_is_written_before_it_is_let_go(wrap, place, tmp_path):
    seen = []

    def task(config):
        seen.append((is_claimed(tmp_path), current_trial().number))
        return 0.5

    assert wrap(task)({}) == 0.5
    assert seen == [(True, 3)]
    assert not is_claimed(tmp_path)
    assert read_outcome(place, ONE).values == (0.5,)


def test_what_a_task_raises_is_written_too(wrap, place):
    def task(config):
        raise ValueError("told to")

    with pytest.raises(ValueError, match="told to"):
        wrap(task)({})
    assert read_outcome(place, ONE).error == "ValueError: told to"


def test_a_task_that_is_stopped_leaves_its_trial_open(wrap, place):
    def task(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wrap(task)({})
    assert read_outcome(place, ONE) is None
