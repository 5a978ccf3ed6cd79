"""`lightune show`: a study or a run, as one wants to see it.

This module must not import torch or Lightning, nor Optuna at its top.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.cli.explain_study import print_explanation
from lightune.errors import ConfigError, Problem
from lightune.report.analysis import Analysis, analyse
from lightune.report.explained import read_explanation
from lightune.report.filters import Condition, parse_where, selected
from lightune.report.points import grouped
from lightune.report.remarks import read_remarks
from lightune.report.run_data import RunData, is_run, read_run
from lightune.report.study_data import StudyData, TrialData, read_study
from lightune.report.tables import names_of, trial_cells
from lightune.runtime.plain_text import escaped
from lightune.runtime.terminal import Terminal
from lightune.study.definition.spec import FILE_NAME as STUDY_FILE

__all__ = ["add_arguments", "chosen_trials", "show"]

_TOP = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune show` takes."""
    add = parser.add_argument
    with_runs(
        add("path", type=typed_path, metavar="RUN|STUDY", help="the folder of a run or a study, or a study's name")
    )
    add("--top", type=int, default=_TOP, metavar="N", help=f"how many trials to list (default: {_TOP})")
    add("--sort", metavar="KEY", help="a column, from the least; a metric from the best (default: the best first)")
    add("--reverse", action="store_true", help="turn the order round")
    add("--where", metavar="CONDITIONS", help="which trials, as in 'lr > 0.01 and state = completed'")
    add("--trials", action="store_true", help="each trial by itself, where seeds of a point are shown as one row")
    add("--json", action="store_true", help="print JSON instead of tables")


def show(options: argparse.Namespace, folder: Path, again: str | None) -> None:
    """Show a run or a study.

    Args:
        options: as `add_arguments` declares them.
        folder: of the run or the study.
        again: the command that goes on with a run that is not over; None of others.

    Raises:
        ConfigError: if it is neither, or an option cannot be used.
    """
    if (folder / STUDY_FILE).is_file():
        _show_study(options, folder)
        return
    if not is_run(folder):
        raise ConfigError([Problem(str(folder), "is neither a run nor a study")])
    if given := [f"--{name}" for name in ("sort", "where", "reverse", "trials") if getattr(options, name)]:
        raise ConfigError([Problem(name, "is for the trials of a study, and this is a run") for name in given])
    run, remarks = read_run(folder), read_remarks(folder)
    if options.json:
        _print_json({**_of_run(run), "note": remarks.note, "tags": list(remarks.tags), "go_on_with": again})
        return
    from lightune.report.text import print_run

    print_run(run, remarks, Terminal(), again=again)


def _show_study(options: argparse.Namespace, folder: Path) -> None:
    if options.top < 1:
        raise ConfigError([Problem("--top", f"must be > 0, got {options.top}")])
    where = parse_where(options.where)
    study = read_study(folder)
    listed = study if options.trials or options.json else grouped(study)
    trials = chosen_trials(listed, where, sort=options.sort, reverse=options.reverse)
    analysis = analyse(study)
    shown = trials[: options.top]
    if options.json:
        _print_json(_of_study(study, analysis, trials))
        return
    from lightune.report.text import print_study

    print_study(study, analysis, shown, Terminal(), left_out=len(trials) - len(shown), listed=listed)
    if (explanation := read_explanation(folder)) is not None:
        print()
        print_explanation(explanation, study)


def chosen_trials(
    study: StudyData, where: Sequence[Condition], *, sort: str | None = None, reverse: bool = False
) -> list[TrialData]:
    """Return the trials that meet conditions, the best first where no key is named.

    Raises:
        ConfigError: if a key is no column.
    """
    trials = study.best_first()
    if len(study.objectives) > 1:
        front = {trial.number for trial in study.best}
        trials = [*study.best, *(trial for trial in trials if trial.number not in front)]
    return selected(
        trials,
        lambda trial: trial_cells(study, trial),
        where=where,
        sort=sort,
        reverse=reverse,
        greatest_first=[metric for metric, mode in study.objectives if mode == "max"],
        names=names_of(study),
    )


def _of_study(study: StudyData, analysis: Analysis, trials: Sequence[TrialData]) -> dict[str, Any]:
    from lightune.report.advice import advice
    from lightune.report.allowed_values import allowed_in
    from lightune.report.next_search import next_search

    found = next_search(study, analysis, is_allowed=allowed_in(study))
    luck, points, explanation = analysis.luck, grouped(study), read_explanation(study.folder)
    return {
        "study": study.name,
        "folder": str(study.folder),
        "note": study.remarks.note,
        "tags": list(study.remarks.tags),
        "objectives": [{"metric": metric, "mode": mode} for metric, mode in study.objectives],
        "n_trials": study.n_trials,
        "counts": dict(study.counts),
        "finished": study.is_finished,
        "best": [trial.number for trial in study.best],
        "value": study.best_value,
        "expected": None
        if luck.expected is None
        else {"value": luck.expected, "low": luck.low, "high": luck.high},
        "importances": [
            [{"key": each.key, "share": each.share, "chance": each.chance} for each in some]
            for some in analysis.importances
        ],
        "explained": None if explanation is None else explanation.plain(),
        "advice": dict(advice(study, analysis)),
        "next": None if found is None else {"command": found.command, "reason": found.reason},
        "points": [trial_cells(points, point) for point in points.best_first()] if points is not study else None,
        "trials": [
            {**trial_cells(study, trial), "folder": None if trial.folder is None else str(trial.folder)}
            for trial in trials
        ],
    }


def _of_run(run: RunData) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "name": run.name,
        "status": run.status,
        "metric": run.metric,
        "mode": run.mode,
        "value": run.value,
        "std": run.std,
        "best_epoch": run.best_epoch,
        "epochs": run.epochs,
        "seconds": run.seconds,
        "seed": run.seed,
        "metrics": dict(run.metrics),
        "intervals": {name: list(ends) for name, ends in run.intervals.items()},
        "fits": list(run.fits),
        "error": run.error,
    }


def _print_json(content: Any) -> None:
    print(escaped(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)))
