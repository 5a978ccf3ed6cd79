"""How long a trial takes, without what its process does once for all the trials that it will run.

This module must not import Optuna, torch or Lightning.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stopwatch", "once_for_all"]

_shared = [0.0]  # seconds of this process


class Stopwatch:
    """Measure wall time from now on."""

    def __init__(self) -> None:
        self._began = time.perf_counter() - _shared[0]

    def seconds(self) -> float:
        """Return the wall time since, without what was done inside `once_for_all`."""
        return time.perf_counter() - _shared[0] - self._began


@contextmanager
def once_for_all() -> Iterator[None]:
    """Do something that later trials of this process find done, as imports: it is no trial's time."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _shared[0] += time.perf_counter() - began
