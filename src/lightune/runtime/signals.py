"""The signals that ask a program to stop, and who hears them. This module must not import torch or Lightning."""

import os
import select
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

__all__ = [
    "STOP_SIGNALS",
    "await_end",
    "drop_output",
    "hand_to",
    "heard_by",
    "leave_to_others",
    "raise_left",
    "raise_stop",
]

Listener = Callable[[int, FrameType | None], Any]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that is closed: each asks a program to save and stop."""


_left: list[int] = []


def leave_to_others(number: int | None) -> None:
    """Note a signal that came too late for who heard it, or None: whoever runs more than that must hear of it."""
    _left[:] = [] if number is None else [number]


def await_end(seconds: float = 60.0) -> None:
    """Wait until this process is asked to stop, some time at most; the signal has no other effect.

    torchrun ends all processes when one has ended. Those beside the first wait for that, or the first would be
    ended before it has said why.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    signal.sigtimedwait(STOP_SIGNALS, seconds)


def raise_left() -> bool:
    """Raise a signal that was left once more, for who hears them now; return whether there was one."""
    if not _left:
        return False
    signal.raise_signal(_left.pop())
    return True


def raise_stop(number: int) -> bool:
    """Let whoever hears the signals to stop hear of this number; return whether somebody does.

    For SIGPIPE, too, which the system sends for any pipe, and which is heard for the program's own output alone.
    """
    listener = signal.getsignal(signal.SIGTERM)
    if not callable(listener) or threading.current_thread() is not threading.main_thread():
        return False
    listener(number, None)
    return True


def hand_to(listener: Listener) -> dict[int, Any]:
    """Let a function hear the signals to stop from now on; return signal → who heard it before.

    A terminal that is closed is not heard of under `nohup`; what would be printed to it is dropped. A thread that
    is not the main one cannot hear, and nobody sends it signals: there it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [number for number in STOP_SIGNALS if number != signal.SIGHUP or not _is_ignored(number)]

    def hear(number: int, frame: FrameType | None) -> Any:
        if number == signal.SIGHUP:
            drop_output()
        return listener(number, frame)

    return {number: signal.signal(number, hear) for number in heard}


def _is_hung_up(descriptor: int) -> bool:
    """Return True if nothing reads any more what is written to a descriptor that is a terminal, or was one."""
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return False  # of a pipe, whoever writes is told
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def drop_output() -> bool:
    """Write what is said from now on to nowhere, where its terminal is gone; return True if it was.

    An error would end what is to be saved.
    """
    gone = [descriptor for descriptor in (1, 2) if _is_hung_up(descriptor)]
    for descriptor in gone:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    return bool(gone)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a function hear the signals meanwhile."""
    before = hand_to(listener)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
