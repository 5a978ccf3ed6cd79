import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from lightune.private_api.optuna import (
    BaseJournalFileLock,
    JournalOperation,
    is_given,
    storage_of,
    suggest,
    trial_again,
    trial_id_of,
)


@pytest.fixture
def study():
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(0))


def test_a_trial_is_reached_in_the_storage_by_its_number(study):
    for value in (0.5, 0.25):
        study.tell(study.ask(), value)
    frozen = storage_of(study).get_trial(trial_id_of(study, 1))
    assert (frozen.number, frozen.value) == (1, 0.25)


def test_a_running_trial_is_continued(study):
    first = study.ask()
    drawn = first.suggest_float("x", 0, 1)
    (frozen,) = study.get_trials(deepcopy=False)
    again = trial_again(study, frozen)
    assert again.number == first.number
    assert suggest(again, "x", FloatDistribution(0, 1)) == drawn


def test_a_value_that_was_given_is_known_from_one_that_was_drawn(study):
    study.enqueue_trial({"x": 0.5})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.suggest_float("y", 0, 1)
    (frozen,) = study.get_trials(deepcopy=False)
    for each in (trial, trial_again(study, frozen)):
        assert (is_given(each, "x"), is_given(each, "y")) == (True, False)


def test_a_value_is_drawn_from_any_distribution(study):
    trial = study.ask()
    assert 0 <= suggest(trial, "x", FloatDistribution(0, 1)) <= 1
    assert suggest(trial, "kind", CategoricalDistribution(["a", "b"])) in ("a", "b")


def test_a_journal_takes_our_lock_and_its_records_have_the_kinds_that_we_know(tmp_path):
    class Counting(BaseJournalFileLock):
        taken = 0

        def acquire(self):
            self.taken += 1
            return True

        def release(self):
            pass

    lock, path = Counting(), tmp_path / "journal.log"
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path), lock_obj=lock)))
    study.ask().set_user_attr("folder", "trials/0")
    assert lock.taken > 2
    last = optuna.storages.journal.JournalFileBackend(str(path), lock_obj=lock)
    (*_, record) = last.read_logs(0)
    assert record["op_code"] == JournalOperation.SET_TRIAL_USER_ATTR
    assert record["user_attr"] == {"folder": "trials/0"}
