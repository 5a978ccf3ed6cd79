"""Processes that end with the one that started them."""

import os
import sys
import threading

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """End this process at once when its input closes, which it does when the first process is gone.

    It is waited for on a descriptor of its own: a thread that reads `sys.stdin` holds its lock, on which processes
    that are forked meanwhile, such as workers of a stream, would wait forever when they close it.
    """
    ours = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)

    def wait() -> None:
        while os.read(ours, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
