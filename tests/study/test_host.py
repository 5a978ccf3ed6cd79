"""A slot of a cluster has its trial to itself, as long as it runs."""

import pytest

from lightune.study.host import Host, Place
from lightune.study.lease import lives
from lightune.study.pools import Done, Job, Started
from lightune.study.trial import Trial


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
