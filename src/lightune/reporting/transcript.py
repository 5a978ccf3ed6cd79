"""What a run that shares its process with others would say on the terminal, in a file of its own."""

import contextlib
from pathlib import Path
from typing import Any

from rich.console import Console

from lightune.runtime.plain_text import visible

__all__ = ["Transcript"]


class Transcript(Console):
    """A console that adds plain lines to a file, which costs no time to speak of.

    Args:
        file: that it adds to; made when something is said.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(quiet=True)  # whatever takes the long way is not shown
        self._transcript = file

    @property
    def is_terminal(self) -> bool:
        """Whether it is one, which it is not."""
        return False

    def print(self, *objects: Any, **how: Any) -> None:
        """Add objects to the file as one line, whatever they were to look like."""
        line = visible(" ".join(map(str, objects)))
        with contextlib.suppress(OSError), self._transcript.open("a", encoding="utf-8") as file:  # a full disk
            file.write(f"{line}\n")
