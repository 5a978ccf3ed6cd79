"""The terminal as rich draws it, with nothing in it but what lightune draws.

This module must not import torch or Lightning.
"""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lightune.runtime.plain_text import visible

__all__ = ["Terminal"]


class Terminal(Console):
    """A console on which texts are shown as they are: neither control codes nor rich's markup are obeyed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **settings})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the pieces of what is printed."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)
