"""`lightune compare`: runs and studies beside each other, with the test that is right for them.

This module must not import torch or Lightning, nor NumPy at its top.
"""

import argparse
import json
from typing import TYPE_CHECKING, Any

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.errors import ConfigError, Problem
from lightune.report.run_data import is_run
from lightune.report.study_data import read_study
from lightune.report.tables import shown_figure
from lightune.runtime.plain_text import escaped, say, visible
from lightune.study.definition.spec import FILE_NAME as STUDY_FILE
from lightune.study.outputs.reader import found
from lightune.wording import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightune.report.comparison import Comparison, Subject

__all__ = ["add_arguments", "compare"]

_CHANCE = 0.05
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

    subjects, problems = [], []
    for path in options.paths:
        folder = found(path)
        try:
            if (folder / STUDY_FILE).is_file():
                subjects.append(comparison.study_subject(path, read_study(folder)))
            elif is_run(folder):
                subjects.append(comparison.run_subject(path, folder))
            else:
                problems.append(Problem(str(path), "is neither a run nor a study"))
        except ConfigError as refusal:
            problems += refusal.problems
    if problems:
        raise ConfigError(problems)
    differing, results = comparison.configuration_table(subjects), comparison.compare(subjects)
    if options.json:
        print(escaped(json.dumps(_plain(subjects, differing, results), indent=2, ensure_ascii=False)))
        return
    _print_subjects(subjects)
    _print_configuration(differing)
    for result in results:
        _print_result(result)


def _print_subjects(subjects: "Sequence[Subject]") -> None:
    for place, subject in enumerate(subjects):
        best = f"  (the best of {subject.chosen_of} trials)" if subject.chosen_of > 1 else ""
        say(f"{_letter(place)}  {subject.folder}{best}")


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
        table.add_column(_letter(place), overflow="fold")
    for key, values in differing:
        table.add_row(*(Text(visible(clipped(text, _LONGEST))) for text in (key, *values)))
    print()
    console.print(table, soft_wrap=not console.is_terminal)


def _print_result(result: "Comparison") -> None:
    letter = _letter(result.subject)
    figures = f"{shown_figure(result.first)} and {shown_figure(result.second)}"
    say("")
    verdict = result.verdict
    if verdict is None:
        say(f"{result.metric}  A and {letter}: {figures}; no test: it is no mean over samples")
        return
    p = verdict.p if result.corrected is None else result.corrected
    apart = abs(verdict.difference)
    better = letter if (verdict.difference > 0) == (result.better == "higher") else "A"
    low, high = sorted((verdict.low, verdict.high))
    interval, visible_one = f"95 % between {_signed(low)} and {_signed(high)}", shown_figure(verdict.visible)
    says = f"{better} is better" if p < _CHANCE else "not told from chance"
    say(f"{result.metric}  A and {letter}: {figures}; {says}")
    say(f"    {letter} - A = {_signed(verdict.difference)}, {interval}, {_p(p)}")
    say(f"    {verdict.test}, on {result.data}; assumes that {verdict.assumption}")
    if p >= _CHANCE:
        say(f"    in four of five such comparisons a difference of {visible_one} would have been seen")
    elif apart < verdict.visible:
        say(f"    many differences below {visible_one} are missed, so one that is found may be overstated")
    if result.remark:
        say(f"    {result.remark}")


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else str(place + 1)


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{shown_figure(abs(value))}"


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


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
