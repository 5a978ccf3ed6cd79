"""SIGINT in a worker, at awkward moments."""

import signal

import pytest

from lightune.study.executors.worker.interrupt import Interrupt


@pytest.fixture
def interrupt():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Interrupt()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_that_is_earlier_than_its_trial_stops_it(interrupt):
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupt.raised():
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
        with interrupt.deferred():
            signal.raise_signal(signal.SIGINT)
            said.append("answered")
        said.append("it went on")

    with pytest.raises(KeyboardInterrupt), interrupt.raised():
        speak()
    assert said == ["answered"]


def test_a_signal_outside_of_a_trial_raises_nothing(interrupt):
    with interrupt.raised():
        pass
    signal.raise_signal(signal.SIGINT)
    assert interrupt.asked


def test_what_is_said_is_answered_before_a_signal_is_heard_by_whoever_listens(interrupt):
    told = []

    def listen(number, frame):
        told.append("signal")
        raise RuntimeError("stop")

    signal.signal(signal.SIGTERM, listen)

    def say():
        with interrupt.deferred():
            signal.raise_signal(signal.SIGTERM)
            told.append("answered")

    with pytest.raises(RuntimeError):
        say()
    assert told == ["answered", "signal"]
    assert signal.getsignal(signal.SIGTERM) is listen
