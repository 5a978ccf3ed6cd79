"""`lightune report`: a study as one page, or its table for a paper.

This module must not import torch or Lightning, nor Optuna at its top.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.cli.show import chosen_trials
from lightune.errors import ConfigError, Problem
from lightune.paths import shown_path
from lightune.report.analysis import analyse, keep_analysis
from lightune.report.filters import parse_where
from lightune.report.points import grouped
from lightune.report.study_data import read_study
from lightune.report.tables import FORMATS, table_text
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import say
from lightune.study.outputs.reader import found
from lightune.study.storage.lease import is_at_work

__all__ = ["add_arguments", "report"]

AGAINST = "against.html"
"""Where several are written, in the current folder, unless `--output` says otherwise."""

PLOTLY = "plotly.html"
"""In a study's folder: Optuna's own figures."""

_OF_TABLES = ("top", "sort", "where", "reverse", "trials")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune report` takes."""
    add = parser.add_argument
    what = "the study's folder, or its name; with --against several studies or runs"
    with_runs(add("paths", type=typed_path, nargs="+", metavar="STUDY", help=what))
    add("--output", type=typed_path, metavar="FILE", help="where to write it (default: STUDY/report.html)")
    add("--against", action="store_true", help=f"put several beside each other, in one page ({AGAINST})")
    add("--plotly", action="store_true", help=f"write Optuna's own figures instead, as STUDY/{PLOTLY} (5 MB)")
    add("--table", choices=FORMATS, help="print the table of trials instead of writing the page")
    add("--top", type=int, metavar="N", help="with --table: how many trials (default: all)")
    add("--sort", metavar="KEY", help="with --table: a column, from the least; a metric from the best")
    add("--reverse", action="store_true", help="with --table: turn the order round")
    add(
        "--trials", action="store_true", help="with --table: each trial by itself, not the seeds of a point as one"
    )
    add("--where", metavar="CONDITIONS", help="with --table: which trials, as in 'state = completed'")


def report(options: argparse.Namespace) -> None:
    """Write the page of a study, or that of several, or print a study's table.

    Args:
        options: as `add_arguments` declares them.

    Raises:
        ConfigError: if the folder is no study, an option cannot be used, or the page cannot be written.
    """
    if options.against:
        _against(options)
        return
    if len(options.paths) > 1:
        rule = f"takes one study, got {len(options.paths)}; --against puts several beside each other"
        raise ConfigError([Problem("report", rule)])
    folder = found(options.paths[0])
    if options.table is None:
        given = [name for name in _OF_TABLES if getattr(options, name)]
        if given:
            raise ConfigError([Problem(f"--{name}", "is for --table, which is not given") for name in given])
    elif options.output is not None:
        raise ConfigError([Problem("--output", "is for the page; the table is printed, so > FILE keeps it")])
    if options.plotly and options.table is not None:
        raise ConfigError([Problem("--plotly", "draws a page; --table prints a table: give one of them")])
    if options.top is not None and options.top < 1:
        raise ConfigError([Problem("--top", f"must be > 0, got {options.top}")])
    if options.plotly:
        _draw(options, folder)
        return
    study = read_study(folder, curves=options.table is None)
    if options.table is not None:
        study = study if options.trials else grouped(study)
        trials = chosen_trials(study, parse_where(options.where), sort=options.sort, reverse=options.reverse)
        print(table_text(study, trials[: options.top], options.table), end="")
        return
    from lightune.report.study_report import write_report

    live = is_at_work(folder)  # its driver writes the page, too
    analysis = analyse(study)
    keep_analysis(study, analysis)
    with _refusing_unwritable(options.output or folder):
        say(shown_path(write_report(study, analysis, live=live, file=options.output)))


def _draw(options: argparse.Namespace, folder: Path) -> None:
    """Write Optuna's own figures of a study."""
    from lightune.report.loading import load_study
    from lightune.report.plotly_page import plotly_page, require_plotly

    require_plotly()
    study = load_study(folder)
    target = options.output or folder / PLOTLY
    with _refusing_unwritable(target):
        names = [metric for metric, _ in study.data.objectives]
        write_whole(target, plotly_page(study.optuna, names).encode())
    say(shown_path(target))


def _against(options: argparse.Namespace) -> None:
    """Write several studies or runs as one page."""
    given = [name for name in ("table", "plotly", *_OF_TABLES) if getattr(options, name)]
    problems = [Problem(f"--{name}", "is for one study, not beside --against") for name in given]
    if len(options.paths) < 2:
        problems.append(Problem("--against", f"takes two studies or runs, or more, got {options.paths[0]}"))
    if problems:
        raise ConfigError(problems)
    from lightune.report.against import Member, against_page
    from lightune.report.comparison import read_subjects

    members = [
        Member(subject, study, analyse(study) if study is not None else None)
        for subject, study in read_subjects(options.paths, curves=True)
    ]
    target = options.output or Path(AGAINST)
    with _refusing_unwritable(target):
        write_whole(target, against_page(members).encode())
    say(shown_path(target))


@contextmanager
def _refusing_unwritable(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        rule = f"cannot be written: {error.strerror or error}; --output names another file"
        raise ConfigError([Problem(str(target), rule)]) from error
