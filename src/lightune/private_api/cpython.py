"""CPython's private names that lightune needs. This module must import next to nothing."""

import atexit
import threading
from collections.abc import Callable

__all__ = ["at_exit"]


def at_exit() -> Callable[[], None] | None:
    """Return what the interpreter does first at its end: wait for threads, then call `atexit` functions.

    For: a process that leaves without clearing up, which takes a second where torch was imported. Without it: None
    is returned, and a process ends as usual.
    """
    wait, call = getattr(threading, "_shutdown", None), getattr(atexit, "_run_exitfuncs", None)
    if wait is None or call is None:
        return None

    def end() -> None:
        wait()
        call()

    return end
