"""How a study ended, and what its process says then."""

import pytest

from lightune.study.observer import Ending
from lightune.study.storage.records import TrialRecord


def ending(*states, **reasons):
    trials = [TrialRecord(number, state, None, {}, None, None, None) for number, state in enumerate(states)]
    return Ending(trials, [], **reasons)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (ending(), 0),
        (ending("completed", "failed", "running"), 0),
        (ending("pruned"), 0),
        (ending("failed", "failed"), 1),
        (ending("completed", "failed", too_many_failures=True), 1),
        (ending("failed", signal=2), 130),
        (ending("interrupted", signal=15), 143),
        (ending("completed", timed_out=True), 0),
    ],
)
def test_the_exit_code_says_what_it_came_to(end, code):
    assert end.exit_code == code


def test_failures_are_those_that_failed():
    assert [trial.number for trial in ending("failed", "pruned", "failed").failures] == [0, 2]
