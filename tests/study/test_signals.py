"""Signals that stop a study, at awkward moments."""

import signal

import pytest

from lightune.study.signals import stop_signals
from lightune.study.storage.lease import Lease


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_runs_nothing_leaves_and_one_that_does_is_told(number):
    told = []
    before = signal.getsignal(number)
    with stop_signals() as stop:
        with pytest.raises(SystemExit) as left:
            signal.raise_signal(number)
        assert left.value.code == 128 + number
        with stop.told_to(lambda: told.append(number)):
            signal.raise_signal(number)
        assert (told, stop.number) == ([number], number)
    assert signal.getsignal(number) is before


def test_a_study_hears_the_signals_again_that_a_library_took():
    told = []
    with stop_signals() as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray does, once it is connected
        with stop.told_to(lambda: told.append("stop")):
            signal.raise_signal(signal.SIGTERM)
    assert told == ["stop"]


def test_a_lease_is_locked_before_it_is_seen(tmp_path, monkeypatch):
    import fcntl

    seen = []
    lock = fcntl.flock
    monkeypatch.setattr(
        "lightune.study.storage.lease.fcntl.flock",
        lambda file, how: (seen.extend(path.name for path in (tmp_path / ".leases").iterdir()), lock(file, how)),
    )
    lease = Lease(tmp_path)
    assert seen == [f".{lease.name}"]
    assert [path.name for path in (tmp_path / ".leases").iterdir()] == [lease.name]
    lease.end()
