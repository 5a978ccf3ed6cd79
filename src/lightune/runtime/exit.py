"""The end of a process of ours: what was asked for at its end is done, but Python does not clear up behind itself.

Clearing up takes a second where torch was imported: collections look through all that the process has ever made,
which the operating system takes back at once. This module must import next to nothing.
"""

import atexit
import os
import sys
import threading
from contextlib import suppress

__all__ = ["leave"]


def leave(code: int) -> None:
    """End this process with an exit code, if torch was imported; return if Python itself has to end it.

    Threads that are no daemons are waited for and functions of `atexit` called, as always. A debugger, or an
    interpreter that stays open, gets its process back.
    """
    wait, call = getattr(threading, "_shutdown", None), getattr(atexit, "_run_exitfuncs", None)
    stays = sys.gettrace() is not None or sys.flags.interactive or "PYTHONINSPECT" in os.environ
    if "torch" not in sys.modules or stays or wait is None or call is None:
        return
    wait()
    call()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # there is none, nobody reads it, or it is closed
            stream.flush()
    os._exit(code)
