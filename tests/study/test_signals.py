"""Signals that stop a study, at awkward moments."""

import signal

import pytest

from lightune.study.signals import stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_runs_nothing_leaves_and_one_that_does_is_told(number):
    told = []
    before = signal.getsignal(number)
    with stop_signals() as stop:
        with pytest.raises(SystemExit) as left:
            signal.raise_signal(number)
        assert left.value.code == 128 + number
        with stop.calling(lambda: told.append(number)):
            signal.raise_signal(number)
        assert (told, stop.number) == ([number], number)
    assert signal.getsignal(number) is before


def test_a_study_hears_the_signals_again_that_a_library_took():
    told = []
    with stop_signals() as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray does, once it is connected
        with stop.calling(lambda: told.append("stop")):
            signal.raise_signal(signal.SIGTERM)
    assert told == ["stop"]
