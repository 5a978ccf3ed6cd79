"""Trials whose folders are not their own fail before anything is written, and the others run."""

from pathlib import Path

import pytest
from executor_contexts import MINIMIZED

from lightune.study.executors.executor import Job, Started
from lightune.study.executors.guarded import GuardedExecutor
from lightune.trial import Trial


class Recording:
    """An executor that only notes what it is given."""

    def __init__(self):
        self.numbers, self.waits, self.ended = [], [], []

    def free(self):
        return 2

    def submit(self, job):
        self.numbers.append(job.trial.number)

    def wait(self, seconds):
        self.waits.append(seconds)
        return [Started(number, Path()) for number in self.numbers]

    def interrupt(self):
        self.ended.append("interrupt")

    def close(self):
        self.ended.append("close")


@pytest.fixture
def guarded():
    inner, taken = Recording(), {}

    def folder_of(job):
        if job.overrides == ("unresolvable",):
            raise ValueError("no such key")
        return Path("study", *job.overrides)

    executor = GuardedExecutor(inner, folder_of=folder_of, taken=lambda: taken, objectives=MINIMIZED)
    executor.inner, executor.taken = inner, taken
    return executor


def job(number, name):
    return Job(Trial(number), (name,))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x" * 256, "hydra.sweep.subdir: must give names of at most 255 bytes, got one of 256"),
        ("unresolvable", "hydra.sweep.subdir: cannot be resolved: no such key"),
        ("mine", "hydra.sweep.subdir: its folder mine is that of trial 0; add ${hydra.job.num} to the name"),
        ("old", "hydra.sweep.subdir: its folder old is that of trial 7; add ${hydra.job.num} to the name"),
    ],
    ids=["long", "unresolvable", "begun here", "begun before"],
)
def test_a_trial_without_a_folder_of_its_own_fails_alone(guarded, name, why):
    guarded.taken[Path("study/old")] = 7
    guarded.submit(job(0, "mine"))
    guarded.submit(job(1, name))
    done, *rest = guarded.wait(5.0)
    assert (done.number, done.outcome.status) == (1, "failed")
    assert done.outcome.error.startswith(why)
    assert (guarded.inner.numbers, rest) == ([0], [Started(0, Path())])
    assert guarded.inner.waits == [0.0]


def test_a_trial_goes_on_in_its_folder(guarded):
    guarded.taken[Path("study/mine")] = 3
    guarded.submit(job(3, "mine"))
    guarded.submit(job(3, "mine"))
    assert guarded.inner.numbers == [3, 3]
    guarded.wait(5.0)
    assert guarded.inner.waits == [5.0]


def test_everything_else_is_the_executors(guarded):
    assert guarded.free() == 2
    guarded.interrupt()
    guarded.close()
    assert guarded.inner.ended == ["interrupt", "close"]
