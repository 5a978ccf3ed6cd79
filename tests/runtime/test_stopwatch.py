import pytest

from lightune.runtime import stopwatch
from lightune.runtime.stopwatch import Stopwatch, once_for_all


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only when it is told to."""
    now = [100.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_what_is_done_once_for_all_trials_is_no_trials_time(clock):
    watch = Stopwatch()
    clock(2.0)
    with once_for_all():
        clock(30.0)
    clock(1.0)
    assert watch.seconds() == pytest.approx(3.0)


def test_what_was_done_before_does_not_count_either(clock):
    with once_for_all():
        clock(30.0)
    watch = Stopwatch()
    clock(1.0)
    assert watch.seconds() == pytest.approx(1.0)


def test_an_import_that_fails_is_no_trials_time(clock):
    watch = Stopwatch()

    @once_for_all()
    def fail():
        clock(5.0)
        raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert watch.seconds() == pytest.approx(0.0)
