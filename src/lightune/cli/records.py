"""Records of studies, runs and trials, a line each, or, on a terminal too narrow for that, some lines each.

This module must not import torch or Lightning.
"""

from collections.abc import Sequence

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lightune.runtime.plain_text import visible
from lightune.runtime.terminal import Terminal

__all__ = ["print_records"]

_WIDE = 10_000  # columns
_INDENT = 2


def print_records(records: Sequence[Sequence[str]], columns: Sequence[str] = ()) -> None:
    """Print records: as a table where it is wide enough, else each below its first cell.

    What is piped is a table, however wide: paths and commands stay in one piece. So they do on a narrow terminal,
    which breaks them itself, without an end of line that would be copied with them.

    Args:
        records: cells of each; those that are empty are left out where they stand below each other.
        columns: their names; none for records that speak for themselves.
    """
    console = Terminal()
    table = Table(*columns, box=None, pad_edge=False, show_header=bool(columns))
    records = [[visible(cell) for cell in record] for record in records]  # as wide as they will be
    for record in records:
        table.add_row(*map(Text, record))
    if not console.is_terminal:
        console.width = _WIDE
    fits = console.measure(table, options=console.options.update(max_width=_WIDE)).maximum <= console.width
    with console.capture() as lines:  # rich would leave by itself if nobody read them
        if fits:
            console.print(table, soft_wrap=True)
        else:
            for record in records:
                _print_below(console, record, columns)
    text = lines.get()
    print("\n".join(map(str.rstrip, text.split("\n"))) if not console.is_terminal else text, end="")


def _print_below(console: Terminal, record: Sequence[str], columns: Sequence[str]) -> None:
    """Print the first cell of a record, and the others below it, a little to the right."""
    first, *others = record
    console.print(Text(first, style="bold"), soft_wrap=True)
    for place, cell in enumerate(others, 1):
        if not cell:
            continue
        name = f"{columns[place]}: " if columns and place == len(columns) - 1 else ""
        line = Text(f"{name}{cell}")
        if name or " " not in cell:  # a command or a path
            console.print(Text(" " * _INDENT).append_text(line), soft_wrap=True)
        else:
            console.print(Padding(line, (0, 0, 0, _INDENT), expand=False))
