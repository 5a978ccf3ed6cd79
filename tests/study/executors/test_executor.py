import inspect
from pathlib import Path

import pytest

from lightune.study.executors.batch import BatchExecutor
from lightune.study.executors.executor import Done, Executor, Job, Report, Started
from lightune.study.executors.fused.executor import FusedExecutor
from lightune.study.executors.in_process import InProcessExecutor
from lightune.study.executors.local.executor import LocalExecutor
from lightune.study.executors.ray.executor import RayExecutor
from lightune.study.outcome.outcome import Outcome
from lightune.trial import Trial

METHODS = ("free", "submit", "wait", "interrupt", "close")


@pytest.mark.parametrize("kind", [BatchExecutor, FusedExecutor, InProcessExecutor, LocalExecutor, RayExecutor])
def test_every_executor_has_the_methods_that_the_driver_calls(kind):
    for name in METHODS:
        wanted = list(inspect.signature(getattr(Executor, name)).parameters)
        assert list(inspect.signature(getattr(kind, name)).parameters) == wanted


def test_jobs_and_events_are_plain_values():
    assert Job(Trial(1), ("x=1",)) == Job(Trial(1), ("x=1",))
    assert Job(Trial(1), ()).alone is False
    assert Started(1, Path("a")) == Started(1, Path("a"))
    assert Done(1, Outcome("completed", (1.0,))).lost is False


def test_reports_are_the_same_whoever_waits_for_the_answer():
    assert Report(1, 2, 0.5, print) == Report(1, 2, 0.5, repr)
    assert Report(1, 2, 0.5, print) != Report(1, 3, 0.5, print)
