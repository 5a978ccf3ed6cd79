"""The table that ends a run on the terminal."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightune.paths import is_inside, shell_folder, shown_path
from lightune.reporting.result import Result
from lightune.wording import lines_of

__all__ = ["print_pairs", "show_summary"]


def show_summary(
    result: Result, console: Console, *, output_root: Path, fits: int = 1, resumed_by: str | None = None
) -> None:
    """Print what came of a run: the objective, the test, the time, where it lies, how to look at it.

    Args:
        result: of the run.
        console: where to.
        output_root: where all runs lie; the run may have been moved out of it since.
        fits: how many the run was to have.
        resumed_by: the line that resumes it; None where nothing is left to do, or another line does.
    """
    rows = result.rows(fits)
    shown = output_root if is_inside(result.run_dir, output_root) else result.run_dir
    if any(Path(shell_folder(), result.run_dir).rglob("events.out.tfevents.*")):
        rows.append(("look at it", f"tensorboard --logdir {shlex.quote(shown_path(shown))}"))
    if resumed_by is not None:
        rows.append(("go on with", resumed_by))
    console.print()
    print_pairs(rows, console)


def print_pairs(rows: Sequence[tuple[str, str]], console: Console) -> None:
    """Print names and what belongs to each: a table on a terminal, elsewhere lines that stay in one piece."""
    if not console.is_terminal:
        console.print(Text("\n".join(lines_of(rows))), soft_wrap=True)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))  # as it is: what an error says may look like markup
    console.print(table)
