"""Signals that come at awkward moments, on both sides of a worker's pipe."""

import signal

import pytest

from lightune.study.executors.worker.channel import Interrupt
from lightune.study.signals import stop_signals


@pytest.fixture
def interrupt():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Interrupt()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_that_is_earlier_than_its_trial_stops_it(interrupt):
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupt.job():
        raise AssertionError("it began")


def test_a_signal_that_waited_for_the_process_to_begin_is_heard():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        signal.raise_signal(signal.SIGINT)
        assert Interrupt().asked
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_waits_for_an_answer(interrupt):
    said = []

    def speak():
        with interrupt.held():
            signal.raise_signal(signal.SIGINT)
            said.append("answered")
        said.append("it went on")

    with pytest.raises(KeyboardInterrupt), interrupt.job():
        speak()
    assert said == ["answered"]


def test_a_signal_outside_of_a_trial_raises_nothing(interrupt):
    with interrupt.job():
        pass
    signal.raise_signal(signal.SIGINT)
    assert interrupt.asked


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


def test_what_is_said_is_answered_before_a_signal_is_heard_by_whoever_listens(interrupt):
    told = []

    def listen(number, frame):
        told.append("signal")
        raise RuntimeError("stop")

    signal.signal(signal.SIGTERM, listen)

    def say():
        with interrupt.held():
            signal.raise_signal(signal.SIGTERM)
            told.append("answered")

    with pytest.raises(RuntimeError):
        say()
    assert told == ["answered", "signal"]
    assert signal.getsignal(signal.SIGTERM) is listen
