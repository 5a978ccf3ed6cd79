"""`lightune report`: a study as one page, or its table for a paper.

This module must not import torch or Lightning, nor Optuna at its top.
"""

import argparse
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_studies
from lightune.cli.show import chosen_trials
from lightune.errors import ConfigError, Problem
from lightune.paths import shown_path
from lightune.report.analysis import analyse, keep_analysis
from lightune.report.filters import parse_where
from lightune.report.points import grouped
from lightune.report.study_data import read_study
from lightune.report.tables import FORMATS, table_text
from lightune.runtime.plain_text import say
from lightune.study.storage.lease import is_at_work

__all__ = ["add_arguments", "report"]

_OF_TABLES = ("top", "sort", "where", "reverse", "trials")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune report` takes."""
    add = parser.add_argument
    with_studies(add("study", type=typed_path, metavar="STUDY", help="the study's folder, or its name"))
    add("--output", type=typed_path, metavar="FILE", help="where to write it (default: STUDY/report.html)")
    add("--table", choices=FORMATS, help="print the table of trials instead of writing the page")
    add("--top", type=int, metavar="N", help="with --table: how many trials (default: all)")
    add("--sort", metavar="KEY", help="with --table: a column, from the least; a metric from the best")
    add("--reverse", action="store_true", help="with --table: turn the order round")
    add(
        "--trials", action="store_true", help="with --table: each trial by itself, not the seeds of a point as one"
    )
    add("--where", metavar="CONDITIONS", help="with --table: which trials, as in 'state = completed'")


def report(options: argparse.Namespace, folder: Path) -> None:
    """Write the page of a study, or print its table.

    Args:
        options: as `add_arguments` declares them.
        folder: the study's.

    Raises:
        ConfigError: if the folder is no study, an option cannot be used, or the page cannot be written.
    """
    if options.table is None:
        given = [name for name in _OF_TABLES if getattr(options, name)]
        if given:
            raise ConfigError([Problem(f"--{name}", "is for --table, which is not given") for name in given])
    elif options.output is not None:
        raise ConfigError([Problem("--output", "is for the page; the table is printed, so > FILE keeps it")])
    if options.top is not None and options.top < 1:
        raise ConfigError([Problem("--top", f"must be > 0, got {options.top}")])
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
    try:
        file = write_report(study, analysis, live=live, file=options.output)
    except OSError as error:
        rule = f"cannot be written: {error.strerror or error}; --output names another file"
        raise ConfigError([Problem(str(options.output or folder), rule)]) from error
    say(shown_path(file))
