"""Actors of a cluster that are lost, on a stand-in for Ray; the studies on clusters have the real one."""

from functools import partial
from types import SimpleNamespace

import cloudpickle
import pytest

from lightune.errors import ConfigError
from lightune.study.executors.executor import Done, Job, Message
from lightune.study.executors.ray import executor as executors
from lightune.study.outcome.outcome import Outcome
from lightune.trial import Trial


class LostError(Exception):
    """What Ray raises where an actor is gone."""


class Actor:
    """Run what comes to its end at once; `deadly` tells with which trials its node dies, the how-many-th it is."""

    def __init__(self, index, deadly, seen):
        self.index, self.deadly, self.seen = index, deadly, seen

    def open(self):
        return None

    def run(self, jobs):
        numbers = [job.trial.number for job in jobs]
        self.seen.append(numbers)
        if self.deadly(self.index, numbers):
            raise LostError("its node died")
        return cloudpickle.dumps([Done(number, Outcome("completed", (1.0,))) for number in numbers])


class Method:
    def __init__(self, method):
        self._method = method

    def remote(self, *given):
        return partial(self._method, *given)


@pytest.fixture
def cluster(monkeypatch):
    """Make places in which some trials end their nodes; `seen` is what each place was sent at a time."""

    def make(size, deadly, capacity):
        seen, started = [], []

        def start(*given):
            actor = Actor(len(started), deadly, seen)
            started.append(actor)
            return SimpleNamespace(open=Method(actor.open), run=Method(actor.run), close=Method(lambda: None))

        ray = SimpleNamespace(
            remote=lambda kind: SimpleNamespace(options=lambda: SimpleNamespace(remote=start)),
            put=lambda what: what,
            kill=lambda actor: None,
            wait=lambda calls, timeout, num_returns=1: (calls, []),
            get=lambda call: call(),
            exceptions=SimpleNamespace(RayError=LostError),
        )
        monkeypatch.setattr(executors, "ray", lambda: ray)
        return executors.RayExecutor(size, options={}, place=None, setup=b"", owner="", capacity=capacity), seen

    return make


def run(made, trials):
    """Run trials as the driver does: one that has lost its place four times has failed. Return what was said."""
    losses, over, said = [0] * trials, [], []
    for number in range(trials):
        made.submit(Job(Trial(number), ()))
    while len(over) < trials:
        for event in made.wait(0.0):
            if isinstance(event, Message):
                said.append(event.text)
            elif event.lost and losses[event.number] < 3:
                losses[event.number] += 1
                made.submit(Job(Trial(event.number, resume=True), ()))
            else:
                over.append((event.number, event.lost))
    return dict(over), said


def test_of_trials_that_lose_their_place_together_the_cause_is_found(cluster):
    made, seen = cluster(1, lambda index, numbers: 2 in numbers, capacity=4)
    over, said = run(made, 4)
    assert over == {0: False, 1: False, 2: True, 3: False}
    assert sum(2 in numbers for numbers in seen) == 4
    assert said == []


def test_trials_that_may_train_together_come_to_the_same_place(cluster):
    made, seen = cluster(2, lambda index, numbers: False, capacity=4)
    made.wait(0.0)  # both are open
    for number in range(8):
        made.submit(Job(Trial(number), (f"model.units={number // 4}", f"optimizer.lr=0.{number}")))
    made.wait(0.0)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_place_that_dies_with_every_trial_gets_no_more_of_them(cluster):
    made, seen = cluster(1, lambda index, numbers: True, capacity=1)
    with pytest.raises(ConfigError, match=r"no place of the Ray cluster is left: 5 in a row .*its node died"):
        run(made, 8)
    assert len(seen) == 5


def test_the_other_places_go_on_without_one_that_is_given_up(cluster):
    made, _ = cluster(2, lambda index, numbers: index != 1, capacity=1)  # the first, and whatever replaces it
    over, said = run(made, 20)
    assert over == dict.fromkeys(range(20), False)
    assert said == ["a place of the cluster is given up, which was lost 5 times in a row: its node died"]
