"""The signals that ask a program to stop, and who hears them. This module must not import torch or Lightning."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["hand_to", "heard_by"]

Listener = Callable[[int, FrameType | None], Any]


def hand_to(listener: Listener) -> dict[int, Any]:
    """Let a function hear SIGINT and SIGTERM from now on; return signal → who heard it before.

    A thread that is not the main one cannot, and nobody sends it signals: there it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, listener) for number in (signal.SIGINT, signal.SIGTERM)}


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a function hear the signals meanwhile."""
    before = hand_to(listener)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
