"""SIGINT in a worker process. This module must not import Optuna, torch or Lightning."""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from lightune.runtime.signals import heard_by

__all__ = ["Interrupt"]


class Interrupt:
    """SIGINT means: save and stop. It reaches the trial that runs or is on its way here, and nothing else.

    Attributes:
        asked: whether a signal came that no trial has taken yet.
    """

    def __init__(self) -> None:
        self.asked = False
        self._raises = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # Ray's processes block them

    def _on_signal(self, *_: Any) -> None:
        self.asked = True
        if self._raises:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Raise a signal as KeyboardInterrupt in what runs inside, also one that came a little before."""
        before, self._raises = self._raises, True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = before

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Keep a signal, whoever handles it, until what is sent inside has been answered."""
        heard: list[int] = []
        with heard_by(lambda number, _: heard.append(number)):
            yield
        for number in heard[:1]:
            signal.raise_signal(number)
