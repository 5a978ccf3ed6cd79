"""What IPython does for a cell, as far as it is asked."""

import sys
from types import ModuleType
from typing import Any

import pytest


class Cell:
    """The texts below a cell: those that were shown, each as it is now."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.writings = 0

    def display(self, content: dict[str, str], *, raw: bool, display_id: bool) -> "Output":
        """Show a content, as `IPython.display.display` does."""
        assert raw
        assert display_id
        self.texts.append("")
        output = Output(self, len(self.texts) - 1)
        output.update(content, raw=True)
        return output


class Output:
    """One of the texts."""

    def __init__(self, cell: Cell, place: int) -> None:
        self.cell, self.place = cell, place

    def update(self, content: dict[str, str], *, raw: bool) -> None:
        """Show another content in its place."""
        assert raw
        self.cell.texts[self.place] = content["text/plain"]
        self.cell.writings += 1


@pytest.fixture
def cell(monkeypatch) -> Cell:
    """Be in a notebook."""
    shown, package, module = Cell(), ModuleType("IPython"), ModuleType("IPython.display")
    module.display = shown.display
    package.display = module
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def notebook_console() -> Any:
    """Return a console that is in a notebook, and what is printed to it."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=200)
    console.is_jupyter = True
    return console
