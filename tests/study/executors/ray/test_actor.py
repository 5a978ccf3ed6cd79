"""A slot of a cluster has its trial to itself, as long as it runs."""

import cloudpickle
import pytest

from lightune.study.definition.settings import Objective
from lightune.study.executors.executor import Done, Job, Message, Started
from lightune.study.executors.ray.actor import DriverPlace, WorkerActor
from lightune.study.outcome.outcome import Outcome
from lightune.study.storage.lease import lives
from lightune.study.storage.locks import claimed
from lightune.trial import Trial

ONE = (Objective(None, "min"),)


class OneTrial:
    """One process that starts and ends its trial; `seen` is whether it was claimed at each step."""

    def __init__(self, study):
        (study / ".leases").mkdir()
        self._study, self.seen = study, []
        self._events = [Started(3, study / "3"), Done(3, Outcome("completed", (1.0,)))]

    def submit(self, job):
        (self._study / ".leases" / "3").hardlink_to(self._study / ".claims" / "3")
        self.seen.append(self.claimed())

    def claimed(self):
        return lives(self._study, "3")

    def wait(self, seconds):
        self.seen.append(self.claimed())
        return [self._events.pop(0)]

    def close(self):
        self.seen.append(self.claimed())


@pytest.fixture
def actor(tmp_path):
    made = WorkerActor(DriverPlace(str(tmp_path), (), (), {}, tmp_path, ()), b"", "nobody", ONE)
    made._executor = OneTrial(tmp_path)
    return made


def test_a_trial_is_claimed_from_before_it_runs_until_it_is_over(actor):
    actor.run([Job(Trial(3), ())])
    assert actor._executor.seen == [True, True]
    actor.listen()
    assert actor._executor.seen == [True, True, True]
    assert not actor._executor.claimed()


def test_a_claim_ends_after_its_process(actor):
    actor.run([Job(Trial(3), ())])
    actor.close()
    assert actor._executor.seen[-1]
    assert not actor._executor.claimed()


class TwoPlaces:
    """A process that takes trials and says nothing of them."""

    def __init__(self):
        self.taken = []

    def submit(self, job):
        self.taken.append(job.trial.number)

    def wait(self, seconds):
        return []

    def interrupt(self):
        self.wait = lambda seconds: [Done(number, Outcome("interrupted")) for number in self.taken]


def test_a_trial_that_another_process_still_has_holds_up_no_other(tmp_path, actor):
    actor._executor = process = TwoPlaces()
    with claimed(tmp_path, 3):
        heard = cloudpickle.loads(actor.run([Job(Trial(3), ()), Job(Trial(4), ())]))
        assert heard == [Message("trial 3 waits: another process still writes into its folder")]
        assert cloudpickle.loads(actor.listen()) == []
        assert process.taken == [4]
    actor.listen()
    assert process.taken == [4, 3]


def test_a_trial_that_waits_for_another_process_is_given_back_after_a_signal(tmp_path, actor):
    actor._executor = process = TwoPlaces()
    with claimed(tmp_path, 3):
        actor.run([Job(Trial(3), ()), Job(Trial(4), ())])
        actor.interrupt()
        ends = [*cloudpickle.loads(actor.listen()), *cloudpickle.loads(actor.listen())]
    assert [(end.number, end.outcome.status) for end in ends] == [(3, "interrupted"), (4, "interrupted")]
    assert process.taken == [4]
