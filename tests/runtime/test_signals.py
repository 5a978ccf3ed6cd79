import os
import signal
import subprocess
import sys
import threading

import pytest

from lightune.runtime.signals import STOP_SIGNALS, drop_output, hand_to, heard_by, leave_to_others, raise_left


@pytest.mark.parametrize("number", STOP_SIGNALS)
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


def test_a_closed_terminal_is_not_heard_of_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heard_by(print):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
@pytest.mark.parametrize("closed", [True, False])
def test_what_is_said_to_a_closed_terminal_is_dropped_and_a_pipe_tells_who_writes(kind, closed, monkeypatch):
    ours, theirs = os.openpty() if kind == "terminal" else os.pipe()
    stdout = os.dup(1)
    if closed:
        os.close(ours)
    os.dup2(theirs, 1)
    try:
        dropped = drop_output()
        if dropped:
            os.write(1, b"to nobody")
    finally:
        os.dup2(stdout, 1)
        for descriptor in (theirs, stdout, *([] if closed else [ours])):
            os.close(descriptor)
    assert dropped == (kind == "terminal" and closed)


def test_a_signal_that_was_left_is_heard_once_by_others():
    heard = []
    leave_to_others(signal.SIGTERM)
    with heard_by(lambda number, frame: heard.append(number)):
        assert [raise_left(), raise_left()] == [True, False]
        leave_to_others(signal.SIGINT)
        leave_to_others(None)
        assert not raise_left()
    assert heard == [signal.SIGTERM]


def test_a_process_waits_until_it_is_asked_to_stop_and_goes_on():
    lines = (
        "import signal",
        "from lightune.runtime.signals import STOP_SIGNALS, await_end",
        "signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)",
        "print('waits', flush=True)",
        "await_end(60)",
        "print('goes on')",
    )
    with subprocess.Popen([sys.executable, "-c", "\n".join(lines)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waits\n"
        process.terminate()
        assert (process.communicate()[0], process.returncode) == ("goes on\n", 0)
