import signal
import threading

import pytest

from lightune.runtime.signals import hand_to, heard_by


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_listener_hears_the_signals_meanwhile_and_nobody_loses_them(number):
    before, heard = signal.getsignal(number), []
    with heard_by(lambda number, frame: heard.append(number)):
        signal.raise_signal(number)
    assert heard == [number]
    assert signal.getsignal(number) is before


def test_an_error_gives_the_signals_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="told to"), heard_by(print):
        raise ValueError("told to")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_thread_that_hears_no_signals_changes_nothing():
    before, returned = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=lambda: returned.append(hand_to(print)))
    thread.start()
    thread.join()
    assert returned == [{}]
    assert signal.getsignal(signal.SIGINT) is before
