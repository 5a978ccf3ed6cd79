"""The signals that stop a study: handled from its first moment to its last, and never lost."""

import contextlib
from collections.abc import Callable, Iterator
from types import FrameType

from lightune.runtime.signals import hand_to, heard_by

__all__ = ["StopSignal", "stop_signals"]


class StopSignal:
    """Whether somebody wants a study to stop.

    It is remembered as well as raised: what raises inside of a callback that swallows exceptions would be lost.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._interrupt: Callable[[], None] | None = None

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; interrupt what runs, or leave the process if nothing does.

        Raises:
            SystemExit: if nothing runs, with the exit code that a shell expects.
        """
        self.number = self.number or number
        if self._interrupt is None:
            raise SystemExit(128 + self.number)
        self._interrupt()

    @contextlib.contextmanager
    def calling(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Make a signal call something instead of leaving the process."""
        self._interrupt = interrupt
        hand_to(self.hear)  # again: Ray hears SIGTERM itself once it is connected
        try:
            yield
        finally:
            self._interrupt = None


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Hear the signals in what runs inside."""
    stop = StopSignal()
    with heard_by(stop.hear):
        yield stop
