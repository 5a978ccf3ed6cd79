"""The table that ends a run on the terminal."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightune.paths import is_inside, shown_path

if TYPE_CHECKING:
    from lightune.reporting.result import Result

__all__ = ["lines_of", "print_pairs", "result_rows", "show_summary"]


def show_summary(
    result: "Result", console: Console, *, output_root: Path, fits: int = 1, resumed_by: str | None = None
) -> None:
    """Print what came of a run: the objective, the test, the time, where it lies, how to look at it.

    Args:
        result: of the run.
        console: where to.
        output_root: where all runs lie; the run may have been moved out of it since.
        fits: how many the run was to have.
        resumed_by: the line that resumes it; None where nothing is left to do, or another line does.
    """
    rows = result_rows(result, fits)
    shown = output_root if is_inside(result.run_dir, output_root) else result.run_dir
    if any(result.run_dir.rglob("events.out.tfevents.*")):
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


def lines_of(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of names and what belongs to each; a value of several lines stands below itself."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        for index, line in enumerate(value.splitlines() or [""]):
            yield f"{name if index == 0 else '':<{width}}  {line}".rstrip()


def result_rows(result: "Result", fits: int) -> list[tuple[str, str]]:
    """Return what came of a run, a name and a value a line.

    Args:
        result: of the run.
        fits: how many it was to have.
    """
    objective = result.objective
    rows = [("status", result.status.replace("_", " "))]
    if objective.value is not None:
        rows.append((objective.metric, f"{objective.value:.4f}{_judgement(result, fits)}"))
    counterpart = f"test{objective.metric.removeprefix('val').removeprefix('train')}"
    tested = [name for name in result.metrics if name.startswith(("test/", "test_"))]
    tested.sort(key=lambda name: name != counterpart)
    rows += [(name, f"{result.metrics[name]:.4f}{_interval(result, name)}") for name in tested]
    speed = f", {result.samples_per_second:,.0f} samples/s" if result.samples_per_second else ""
    rows.append(
        ("time", f"{result.seconds['train']:.1f} s training, {sum(result.seconds.values()):.1f} s in all{speed}")
    )
    rows.append(("folder", shown_path(result.run_dir)))
    if result.error is not None:
        rows.append(("error", f"{result.error.type}: {result.error.message}"))
        rows.append(("traceback", shown_path(result.run_dir / result.error.traceback_file)))
    return rows


def _judgement(result: "Result", fits: int) -> str:
    """Return what the objective is: the best epoch's, or a mean."""
    objective = result.objective
    if objective.epoch is not None:
        return f"  best, at epoch {objective.epoch + 1} of {result.epochs}"
    done = len(result.folds or result.repeats)
    of = f"{done} fits" if done == fits else f"{done} of {fits} fits"
    return (f" ± {objective.std:.4f}" if objective.std is not None else "") + f"  mean of {of}"


def _interval(result: "Result", name: str) -> str:
    if (interval := result.intervals.get(name)) is None:
        return ""
    return f"  {interval.low:.4f} to {interval.high:.4f} with {interval.level:.0%} confidence"
