"""The table that ends a run on the terminal."""

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightune.reporting.result import Result


def show_summary(result: Result, console: Console, *, output_root: Path) -> None:
    """Print what came of a run: the objective, the test, the time, where it lies, how to look at it."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(result, output_root):
        table.add_row(Text(name), Text(value))  # as it is: what an error says may look like markup
    console.print()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as plain:
        console.print(table, soft_wrap=True)
    for line in plain.get().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)


def _rows(result: Result, output_root: Path) -> list[tuple[str, str]]:
    objective = result.objective
    rows = [("status", result.status.replace("_", " "))]
    if objective.value is not None:
        rows.append((objective.metric, f"{objective.value:.4f}{_judgement(result)}"))
    counterpart = f"test/{objective.metric.partition('/')[2]}"
    tested = [name for name in result.metrics if name.startswith("test/")]
    tested.sort(key=lambda name: name != counterpart)
    rows += [(name, f"{result.metrics[name]:.4f}{_interval(result, name)}") for name in tested]
    speed = f", {result.samples_per_second:,.0f} samples/s" if result.samples_per_second else ""
    rows.append(
        ("time", f"{result.seconds['train']:.1f} s training, {sum(result.seconds.values()):.1f} s in all{speed}")
    )
    rows.append(("folder", _short(result.run_dir)))
    if result.error is not None:
        rows.append(("error", f"{result.error.type}: {result.error.message}"))
        rows.append(("traceback", _short(result.run_dir / result.error.traceback_file)))
    rows.append(("look at it", f"tensorboard --logdir {_short(output_root)}"))
    return rows


def _judgement(result: Result) -> str:
    """Return what the objective is: the best epoch's, or a mean."""
    objective = result.objective
    if objective.epoch is not None:
        return f"  best, at epoch {objective.epoch + 1} of {result.epochs}"
    fits = result.folds or result.repeats
    return f" ± {objective.std:.4f}  mean of {len(fits)} fits" if objective.std is not None else ""


def _interval(result: Result, name: str) -> str:
    if (interval := result.intervals.get(name)) is None:
        return ""
    return f"  {interval.low:.4f} to {interval.high:.4f} with {interval.level:.0%} confidence"


def _short(path: Path) -> str:
    """Return a path relative to the current folder if it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
