"""`lightune`: the companion tool for everything that is not training.

This module must not import torch or Lightning at its top: help and refusals are light.
"""

import argparse
import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lightune.cli import (
    clean,
    compare,
    doctor,
    evaluate,
    explain,
    explain_study,
    export,
    init,
    listing,
    models,
    pack,
    predict,
    report,
    reproduce,
    schema,
    show,
)
from lightune.cli.arguments import Parser, typed_path
from lightune.cli.completion import complete_tool, with_studies
from lightune.cli.train import prepare_path
from lightune.cli.version import version
from lightune.config.project import enter_project
from lightune.config.trust import read_environment
from lightune.errors import ConfigError, LightuneError, Problem, StopRequested
from lightune.paths import STUDY_FILE, resume_command, study_above
from lightune.report.run_data import UNFINISHED, is_run, read_run
from lightune.runtime.plain_text import say
from lightune.study.definition.spec import read_spec
from lightune.study.outputs.command import THE_COMMAND, command_to_go_on
from lightune.study.outputs.reader import found, open_study, shown_value
from lightune.study.storage.records import is_seed
from lightune.training.resumption import load_run_config, run_of
from lightune.training.run_owner import is_at_work

_UNKNOWN = "PROGRAM", "  (with the program that the study was begun with, which is not lightune's own)"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command of the tool.

    Args:
        arguments: the words after `lightune`; this process's own by default.
    """
    read_environment()
    parser = tool_parser()
    complete_tool(parser)
    try:
        options = parser.parse_args(arguments)
        enter_project(Path.cwd())
        options.command(options)
    except StopRequested as stop:  # nobody reads on, as after `| head`
        sys.exit(128 + stop.signum)
    except LightuneError as refusal:
        say(refusal, error=True)
        sys.exit(2)


def tool_parser() -> argparse.ArgumentParser:
    """Return what reads the words of `lightune`, with all its commands."""
    parser = Parser(
        prog="lightune",
        description="Show, compare, explain and use runs and studies, pack them, begin a project. "
        "What trains and searches is lightune-train.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    all_of_them = commands.add_parser("list", help="list the studies and runs below a folder")
    listing.add_arguments(all_of_them)
    all_of_them.set_defaults(command=_list)
    showing = commands.add_parser(
        "show", help="show a study or a run: its trials, what mattered, what failed, what to type next"
    )
    show.add_arguments(showing)
    showing.set_defaults(command=_show)
    reporting = commands.add_parser("report", help="write a study as one page, or print its table for a paper")
    report.add_arguments(reporting)
    reporting.set_defaults(command=report.report)
    comparing = commands.add_parser(
        "compare", help="compare runs and studies, with the test that is right for them"
    )
    compare.add_arguments(comparing)
    comparing.set_defaults(command=compare.compare)
    best = commands.add_parser(
        "best", help="show the best trial of a study, or the Pareto front of several objectives"
    )
    with_studies(
        best.add_argument("study", type=typed_path, metavar="STUDY", help="the study's folder, or its name")
    )
    best.add_argument("--json", action="store_true", help="print JSON instead of lines")
    best.set_defaults(command=_best)
    evaluating = commands.add_parser("evaluate", help="measure a run, or a study's best trial, again")
    evaluate.add_arguments(evaluating)
    evaluating.set_defaults(command=_evaluate)
    prediction = commands.add_parser(
        "predict", help="predict new samples with a run, or with a study's best trial"
    )
    predict.add_arguments(prediction)
    prediction.set_defaults(command=_predict)
    explaining = commands.add_parser("explain", help="show what a run's predictions are due to")
    explain.add_arguments(explaining)
    explaining.set_defaults(command=_explain)
    exporting = commands.add_parser("export", help="write a run's network as a file for other programs")
    export.add_arguments(exporting)
    exporting.set_defaults(command=_export)
    again = commands.add_parser(
        "reproduce", help="train a finished run again, and compare its figures and weights to the last digit"
    )
    reproduce.add_arguments(again)
    again.set_defaults(command=_reproduce)
    packing = commands.add_parser(
        "pack", help="pack a study or a run into one file that repeats every figure elsewhere"
    )
    pack.add_arguments(packing)
    packing.set_defaults(command=_pack)
    cleaning = commands.add_parser(
        "clean", help="show what runs and studies take on disk, and remove what is not needed"
    )
    clean.add_arguments(cleaning)
    cleaning.set_defaults(command=_clean)
    networks = commands.add_parser("models", help="list the networks by kind of data, with their parameters")
    models.add_arguments(networks)
    networks.set_defaults(command=models.models)
    beginning = commands.add_parser("init", help="write a project of your own, which runs at once")
    init.add_arguments(beginning)
    beginning.set_defaults(command=init.init)
    looking = commands.add_parser(
        "doctor", help="say what is installed, on which device runs train, and whether they do"
    )
    doctor.add_arguments(looking)
    looking.set_defaults(command=doctor.doctor)
    describing = commands.add_parser("schema", help="print JSON schemas of the YAML, for editors")
    schema.add_arguments(describing)
    describing.set_defaults(command=schema.schema)
    return parser


def _predict(options: argparse.Namespace) -> None:
    predict.predict(options, _run_chosen(options.run, "predict"))


def _explain(options: argparse.Namespace) -> None:
    folder = found(options.run)
    if (folder / STUDY_FILE).is_file() and not options.inputs:
        prepare_path()
        explain_study.explain_study(options, folder)
        return
    explain.explain(options, _run_chosen(options.run, "explain"))


def _export(options: argparse.Namespace) -> None:
    export.export(options, _run_chosen(options.run, "export"))


def _reproduce(options: argparse.Namespace) -> None:
    def of(path: Path, places: Mapping[str, str]) -> None:
        folders = reproduce.trials_of(path, options, lambda study: _best_named(study, "reproduce"))
        reproduce.reproduce(options, folders, places)

    prepare_path()
    if reproduce.is_packed(options.path):
        from lightune.provenance.capsule import opened  # which every other command starts faster without

        with opened(options.path) as capsule:
            of(capsule.path, capsule.places)
    else:
        of(found(options.path), {})


def _pack(options: argparse.Namespace) -> None:
    prepare_path()
    pack.pack(options, found(options.path), lambda study: _best_named(study, "pack"))


def _best_named(study: Path, command: str) -> Path:
    """Return the folder of a study's best trial, and say which it is."""
    folder, rank = _best_trial(study, command)
    say(f"{rank}: {folder}", error=True)
    return folder


def _run_chosen(path: Path, command: str) -> Path:
    """Return the folder of a run, or of a fit, that a command is about; refuse what is none, without torch."""
    folder = _chosen(path, command)
    load_run_config(run_of(folder))
    return folder


def _chosen(path: Path, command: str) -> Path:
    """Return the folder that a command is about; of a study, that of its best trial."""
    folder = found(path)
    if (folder / STUDY_FILE).is_file():
        folder = _best_named(folder, command)
    prepare_path()
    return folder


def _evaluate(options: argparse.Namespace) -> None:
    folder = _chosen(options.run, "evaluate")
    load_run_config(
        run_of(folder) if options.input else folder
    )  # refuses what is no run, before seconds of imports
    evaluate.evaluate(options, folder)


def _best_trial(folder: Path, command: str) -> tuple[Path, str]:
    """Return the folder of a study's best trial, and of how many it is the best, for a command of this tool."""
    study = open_study(folder)
    best = study.best()
    if not best:
        raise ConfigError([Problem(str(folder), "has no trial with a result yet")])
    rank = f"the first of {best[0]['seeds']} seeds of the best point" if _is_repeated(best[0]) else "best trial"
    if len(best) > 1:
        another = shlex.quote(str(study.trial_folder(best[1])))
        rank = f"the first of {len(best)} trials on the Pareto front (another: lightune {command} {another})"
    chosen = study.trial_folder(best[0])
    if not chosen.is_dir():
        rule = f"the folder of its best trial ({best[0]['number']}) was deleted"
        advice = f"take another: lightune {command} {shlex.quote(str(folder))}/trials/NUMBER"
        raise ConfigError([Problem(str(folder), f"{rule}; {advice}")])
    return chosen, rank


def _best(options: argparse.Namespace) -> None:
    study = open_study(found(options.study))
    rows = study.best()
    if not rows:
        raise ConfigError([Problem(str(options.study), "has no trial with a result yet")])
    if options.json:
        plain = [{column: _number(text) for column, text in row.items()} for row in rows]
        print(json.dumps(plain if len(study.objectives) > 1 else plain[0], indent=2))
        return
    from lightune.cli.records import print_records

    records = []
    for row in rows:
        keys = [key for key in study.keys if row[key] and not (is_seed(key) and _is_repeated(row))]
        point = " ".join(f"{key}={shown_value(row[key])}" for key in keys)
        folder = _shown(study.trial_folder(row))
        records.append((f"trial {row['number']}", study.figures(row, ".6g"), point, folder))
    print_records(records)
    which = "it" if len(rows) == 1 else f"trial {rows[0]['number']}, the first of {len(rows)} on the Pareto front,"
    program, remark = (study.program, "") if study.program else _UNKNOWN
    again = f"{program} --config-dir {shlex.quote(str(study.folder))} --config-name best"
    say(f"run {which} again: {again}{remark}")


def _is_repeated(row: dict[str, str]) -> bool:
    return int(row.get("seeds", 1)) > 1


def _trainer() -> str:
    """Return what trains here, as it is typed."""
    return "python train.py" if Path("train.py").is_file() else "lightune-train"


def _number(text: str) -> str | int | float | None:
    """Return a cell of a table as JSON has it: a number where it is one, null where there is nothing."""
    for kind in (int, float):
        with suppress(ValueError):
            value = kind(text)
            return value if math.isfinite(value) and "_" not in text else text
    return text or None


def _shown(folder: Path) -> str:
    return str(folder) if folder.is_dir() else f"{folder} (deleted)"


def _list(options: argparse.Namespace) -> None:
    listing.list_all(options, _trainer())


def _clean(options: argparse.Namespace) -> None:
    clean.clean(options, _trainer())


def _show(options: argparse.Namespace) -> None:
    folder = found(options.path)
    again = None
    if is_run(folder) and read_run(folder).status in (UNFINISHED, "interrupted") and not is_at_work(folder):
        again = _again(folder)
    show.show(options, folder, again)


def _again(run: Path) -> str:
    """Return the command that goes on with a run that is not over; of a trial, with its study."""
    study = study_above(run)
    spec = None if study is None else read_spec(study)
    if study is None or spec is None:
        return resume_command(run, _trainer())
    return command_to_go_on(study, spec) or THE_COMMAND


if __name__ == "__main__":
    from lightune.cli import start

    start.tools()
