"""One line of a notebook that is written again in its place.

This module must not import torch or Lightning, nor IPython at its top.
"""

import time
from typing import Any

from lightune.runtime.plain_text import visible

__all__ = ["NotebookLine"]


class NotebookLine:
    """Show a text below a cell, and other texts in its place.

    Args:
        every: least seconds between two writings, >= 0.
    """

    def __init__(self, *, every: float = 1.0) -> None:
        self._every = every
        self._handle: Any = None
        self._shown = -float("inf")

    @property
    def is_due(self) -> bool:
        """Whether the last writing is long enough ago."""
        return time.monotonic() - self._shown >= self._every

    def show(self, text: str, *, last: bool = False) -> None:
        """Write a text, unless one was written a moment ago.

        Args:
            text: a line.
            last: whether it stays, and so is written in any case.
        """
        if not (last or self.is_due):
            return
        from IPython.display import display

        content = {"text/plain": visible(text)}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
        self._shown = time.monotonic()
