"""`lightune compare`: runs and studies beside each other, with the test that is right for them.

This module must not import torch or Lightning, nor NumPy at its top.
"""

import argparse
import json
from typing import TYPE_CHECKING, Any

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.errors import ConfigError, Problem
from lightune.report.verdict_text import letter_of, verdict_lines
from lightune.runtime.plain_text import escaped, say, visible
from lightune.wording import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightune.report.comparison import Subject

__all__ = ["add_arguments", "compare"]

_LONGEST = 32  # characters of a value of the configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune compare` takes."""
    add = parser.add_argument
    what = (
        "two or more: folders of runs or trials, or studies, of which the best trial counts; each with the first"
    )
    with_runs(add("paths", type=typed_path, nargs="+", metavar="RUN|STUDY", help=what))
    add("--json", action="store_true", help="print JSON instead of text")


def compare(options: argparse.Namespace) -> None:
    """Compare runs and studies with the first of them.

    Args:
        options: as `add_arguments` declares them.

    Raises:
        ConfigError: if they cannot be compared, with the reason.
    """
    if len(options.paths) < 2:
        raise ConfigError([Problem("compare", f"takes two or more, got {options.paths[0]}")])
    from lightune.report import comparison

    subjects = [subject for subject, _ in comparison.read_subjects(options.paths)]
    differing, results = comparison.configuration_table(subjects), comparison.compare(subjects)
    if options.json:
        print(escaped(json.dumps(_plain(subjects, differing, results), indent=2, ensure_ascii=False)))
        return
    _print_subjects(subjects)
    _print_configuration(differing)
    for result in results:
        say("")
        for line in verdict_lines(result):
            say(line)


def _print_subjects(subjects: "Sequence[Subject]") -> None:
    for place, subject in enumerate(subjects):
        best = f"  (the best of {subject.chosen_of} trials)" if subject.chosen_of > 1 else ""
        say(f"{letter_of(place)}  {subject.folder}{best}")


def _print_configuration(differing: "Sequence[tuple[str, list[str]]]") -> None:
    if not differing:
        say("their configurations are the same")
        return
    from rich.table import Table
    from rich.text import Text

    from lightune.runtime.terminal import Terminal

    console = Terminal()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("key", overflow="fold")
    for place in range(len(differing[0][1])):
        table.add_column(letter_of(place), overflow="fold")
    for key, values in differing:
        table.add_row(*(Text(visible(clipped(text, _LONGEST))) for text in (key, *values)))
    print()
    console.print(table, soft_wrap=not console.is_terminal)


def _plain(subjects: Any, differing: Any, results: Any) -> dict[str, Any]:
    return {
        "subjects": [{"folder": str(each.folder), "chosen_of": each.chosen_of} for each in subjects],
        "configuration": [{"key": key, "values": values} for key, values in differing],
        "metrics": [
            {
                "subject": each.subject,
                "metric": each.metric,
                "figures": [each.first, each.second],
                "better": each.better,
                "data": each.data,
                "remark": each.remark,
                "p_corrected": each.corrected,
                "test": None if each.verdict is None else _of_test(each.verdict),
            }
            for each in results
        ],
    }


def _of_test(verdict: Any) -> dict[str, Any]:
    names = ("test", "assumption", "difference", "low", "high", "p", "visible")
    return {name: getattr(verdict, name) for name in names}
