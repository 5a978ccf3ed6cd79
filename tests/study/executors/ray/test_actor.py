"""A slot of a cluster has its trial to itself, as long as it runs."""

import cloudpickle
import pytest

from lightune.study.executors.executor import Done, Job, Said, Started
from lightune.study.executors.ray.actor import Host, Place
from lightune.study.storage.lease import lives
from lightune.study.storage.locks import claimed
from lightune.trial import Trial


class Workers:
    """One process that starts and ends its trial; `seen` is whether it was claimed at each step."""

    def __init__(self, study):
        (study / ".leases").mkdir()
        self._study, self.seen = study, []
        self._events = [Started(3, study / "3"), Done(3, None, 0.1)]

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
def host(tmp_path):
    made = Host(Place(str(tmp_path), (), (), {}, tmp_path), b"", "nobody")
    made._workers = Workers(tmp_path)
    return made


def test_a_trial_is_claimed_from_before_it_runs_until_it_is_over(host):
    host.run([Job(Trial(3), ())])
    assert host._workers.seen == [True, True]
    host.listen()
    assert host._workers.seen == [True, True, True]
    assert not host._workers.claimed()


def test_a_claim_ends_after_its_process(host):
    host.run([Job(Trial(3), ())])
    host.close()
    assert host._workers.seen[-1]
    assert not host._workers.claimed()


class TwoPlaces:
    """A process that takes trials and says nothing of them."""

    def __init__(self):
        self.taken = []

    def submit(self, job):
        self.taken.append(job.trial.number)

    def wait(self, seconds):
        return []

    def interrupt(self):
        self.wait = lambda seconds: [Done(number, None, 0.0, interrupted=True) for number in self.taken]


def test_a_trial_that_another_process_still_has_holds_up_no_other(tmp_path, host):
    host._workers = process = TwoPlaces()
    with claimed(tmp_path, 3):
        said = cloudpickle.loads(host.run([Job(Trial(3), ()), Job(Trial(4), ())]))
        assert said == [Said("trial 3 waits: another process still writes into its folder")]
        assert cloudpickle.loads(host.listen()) == []
        assert process.taken == [4]
    host.listen()
    assert process.taken == [4, 3]


def test_a_trial_that_waits_for_another_process_is_given_back_after_a_signal(tmp_path, host):
    host._workers = process = TwoPlaces()
    with claimed(tmp_path, 3):
        host.run([Job(Trial(3), ()), Job(Trial(4), ())])
        host.interrupt()
        ends = [*cloudpickle.loads(host.listen()), *cloudpickle.loads(host.listen())]
    assert [(end.number, end.interrupted) for end in ends] == [(3, True), (4, True)]
    assert process.taken == [4]
