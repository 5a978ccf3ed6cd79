"""The terminal as rich draws it, with nothing in it but what lightune draws.

This module must not import torch or Lightning.
"""

import signal
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lightune.errors import StopRequested
from lightune.runtime.plain_text import visible
from lightune.runtime.signals import raise_stop

__all__ = ["Terminal"]


class Terminal(Console):
    """A console on which texts are shown as they are: neither control codes nor rich's markup are obeyed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **settings})

    def on_broken_pipe(self) -> None:
        """Save and stop as at a signal, since nobody reads on; what is said from now on goes nowhere.

        Raises:
            StopRequested: if nothing runs that would save.
        """
        with suppress(SystemExit):  # rich's own way
            super().on_broken_pipe()
        if not raise_stop(signal.SIGPIPE):
            raise StopRequested(signal.SIGPIPE)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the pieces of what is printed."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)
