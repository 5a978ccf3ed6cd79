"""`lightune reproduce`: train a finished run again, and compare its figures and weights to the last digit.

This module must not import torch or Lightning at its top.
"""

import argparse
import json
import math
import sys
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.errors import ConfigError, Problem, TrainingError
from lightune.paths import absence, expanded, shown_path, study_above
from lightune.provenance.recorded import Recorded, read_recorded
from lightune.reporting.result import FINISHED
from lightune.runtime.last_digits import set_variables
from lightune.runtime.plain_text import escaped, say
from lightune.study.definition.spec import FILE_NAME as STUDY_FILE
from lightune.study.outputs.reader import open_study
from lightune.training.imports import import_training
from lightune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lightune.provenance.differences import Difference
    from lightune.provenance.reproduction import Figure, Reproduction

__all__ = ["ENDING", "add_arguments", "is_packed", "reproduce", "trials_of"]

ENDING = ".zip"
"""Of the name of what `lightune pack` writes."""
_DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune reproduce` takes."""
    add = parser.add_argument
    what = "folder of a run, trial or fit, a study (of which the best trial counts), or what was packed of one"
    with_runs(add("path", type=typed_path, metavar="RUN|STUDY|FILE", help=what))
    add("--trial", type=_number, metavar="N", help="of a study: this trial (default: the best)")
    add("--all", action="store_true", help="of a study: all trials that finished, a line each")
    add("--data", type=typed_path, metavar="PATH", help="where the data lie now (default: where they lay)")
    add("--output", type=typed_path, metavar="FOLDER", help="a new folder for the new run (default: none is kept)")
    add("--json", action="store_true", help="print JSON instead of text")


def is_packed(path: Path) -> bool:
    """Tell whether a path is a file such as `lightune pack` writes."""
    return path.is_file() and path.suffix == ENDING


def trials_of(path: Path, options: argparse.Namespace, best: "Any") -> list[Path]:
    """Return the folders that a command is about: one, or with `--all` every finished trial of a study.

    Args:
        path: as it was found: of a run, a trial, a fit, a study, or of a study's page.
        options: as `add_arguments` declares them.
        best: takes the folder of a study and returns that of its best trial.

    Raises:
        ConfigError: if an option is for another kind of path, or there is no such trial.
    """
    folder = path.parent if path.suffix == ".html" and (path.parent / STUDY_FILE).is_file() else path
    if path.is_file() and folder == path:
        rule = "is a file, and no page of a study that lies in the study's folder; give the folder instead"
        raise ConfigError([Problem(str(path), rule)])
    if not (folder / STUDY_FILE).is_file():
        given = [name for name in ("trial", "all") if getattr(options, name) not in (None, False)]
        if given:
            raise ConfigError([Problem(f"--{name}", f"is for a study, got {folder}") for name in given])
        return [folder]
    if options.all and options.trial is not None:
        raise ConfigError([Problem("--trial", "is one trial, and --all is for all of them; leave one out")])
    study = open_study(folder)
    if options.all:
        rows = [row for row in study.rows if row["state"] in FINISHED]
        if not rows:
            raise ConfigError([Problem(str(folder), "has no trial that finished yet")])
        return [study.trial_folder(row) for row in rows]
    if options.trial is None:
        return [best(folder)]
    for row in study.rows:
        if int(row["number"]) == options.trial:
            return [study.trial_folder(row)]
    numbers = f"0 to {len(study.rows) - 1}" if study.rows else "none yet"
    raise ConfigError([Problem("--trial", f"must be a trial of the study ({numbers}), got {options.trial}")])


def reproduce(
    options: argparse.Namespace, folders: "Sequence[Path]", places: "Mapping[str, str] | None" = None
) -> None:
    """Train runs again, say what differs and whether all is the same; the exit code is 1 if not.

    Args:
        options: as `add_arguments` declares them.
        folders: as `trials_of` returns them.
        places: key of the configuration → where what it names lies now.

    Raises:
        ConfigError: if one cannot be trained here, or its data or code are missing.
    """
    recorded = [read_recorded(folder) for folder in folders]
    output: Path | None = options.output
    if output is not None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError([Problem("--output", f"must be a new or an empty folder, got {output}")])
    variables = recorded[0].environment.get("variables")
    if isinstance(variables, dict):
        set_variables(variables)  # before torch reads them
    import_training()
    found, told = [], len(recorded) > 1
    for each in recorded:
        home = None if output is None else output / each.run.name if told else output
        changes = {**_from_where_typed(each), **(places or {}), **_data_of(each, options.data)}
        answer = _reproduced(each, home, options, changes, short=told)
        found.append(answer)
    proposed, lines = _proposed_again(folders, found) if options.all else (True, [])
    if options.json:
        print(escaped(json.dumps(found if told else found[0], indent=2, ensure_ascii=False)))
    elif told:
        same = sum(each["identical"] for each in found)
        say(f"{same} of {counted(len(found), 'trial')} identical")
        for line in lines:
            say(line)
    if not proposed or not all(each["identical"] for each in found):
        sys.exit(_DIFFERENT)


def _proposed_again(folders: "Sequence[Path]", found: "Sequence[dict[str, Any]]") -> tuple[bool, list[str]]:
    """Ask a study's sampler for the points of its trials again, and note the answer with each.

    Args:
        folders: of the trials.
        found: what came of training each again.

    Returns:
        Whether they are the same, and lines about it.
    """
    study = study_above(folders[0])
    if study is None:
        return True, []
    from lightune.provenance.sequence import replay

    answer = replay(study)
    if isinstance(answer, str):
        return True, [f"points were not compared: {answer}"]
    on_disk = open_study(study)
    numbers = {on_disk.trial_folder(row).resolve(): int(row["number"]) for row in on_disk.rows}
    for folder, about in zip(folders, found, strict=True):
        number = numbers[folder.resolve()]
        about["proposed_again"] = number in answer.same if number not in answer.untold else None
    points = len(answer.same) + len(answer.different) + len(answer.untold)
    lines = [f"{len(answer.same)} of {counted(points, 'point')} proposed again by the sampler"]
    if answer.different:
        lines.append(f"different points: those of trials {', '.join(map(str, answer.different))}")
    if answer.untold:
        trials = ", ".join(map(str, answer.untold))
        lines.append(f"cannot be told: those of trials {trials}, which began while others were running")
    return not answer.different, lines


def _from_where_typed(recorded: Recorded) -> dict[str, str]:
    """Return key → path of data that are named relative to where the run's command was typed, and lie there."""
    data, here = recorded.cfg.get("data"), recorded.typed_in
    if here is None or not isinstance(data, DictConfig):
        return {}
    named = {}
    for key in ("path", "root", "labels"):
        with suppress(OmegaConfBaseException):  # such as a variable that is not set here
            named[key] = data.get(key)
    return {
        f"data.{key}": str(Path(here, name))
        for key, name in named.items()
        if isinstance(name, str) and not Path(expanded(name)).exists() and Path(here, name).exists()
    }


def _data_of(recorded: Recorded, path: Path | None) -> dict[str, str]:
    """Return which key says where the data lie, and where that is now.

    Raises:
        ConfigError: if nothing is there, or the data are no files.
    """
    if path is None:
        return {}
    if not path.exists():
        raise ConfigError([Problem("--data", absence(path))])
    for key in ("path", "root"):
        if key in recorded.cfg.data:
            return {f"data.{key}": str(path.absolute())}
    raise ConfigError([Problem("--data", "is for data in files, and those of the run come with lightune")])


def _reproduced(
    recorded: Recorded,
    output: Path | None,
    options: argparse.Namespace,
    changes: "Mapping[str, str]",
    *,
    short: bool,
) -> dict[str, Any]:
    """Train a run again, print what came of it, and return it in plain values."""
    from lightune.provenance.reproduction import reproduce

    out, name = sys.stdout, _named(recorded, options)

    def tell(differing: "list[Difference]") -> None:
        if not options.json and not short:
            with redirect_stdout(out):
                _print_differences(name, recorded, differing)

    try:
        with _folder(output) as folder, redirect_stdout(sys.stderr):
            answer = reproduce(recorded, folder, changes=changes, tell=tell)
    except TrainingError as error:
        reason = f"{error.result.error.type}: {error.result.error.message}" if error.result.error else str(error)
        if not options.json:
            say(f"different: {name} {recorded.result.status} then, and failed now: {reason}")
        return {"run": name, "identical": False, "failed": reason}
    if not options.json:
        _print_line(name, answer) if short else _print_table(answer, is_kept=output is not None)
    return _plain(name, answer)


@contextmanager
def _folder(output: Path | None) -> "Iterator[Path]":
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        yield output
        return
    with TemporaryDirectory(prefix="lightune-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _named(recorded: Recorded, options: argparse.Namespace) -> str:
    """Return a run as it was typed, or as it lies in what was packed."""
    if not is_packed(options.path):
        return shown_path(recorded.folder)
    from lightune.provenance.capsule import CONTENT

    inner = recorded.folder.as_posix().partition(f"/{CONTENT}")[2].strip("/")
    return f"{shown_path(options.path)}{f': {inner}' if inner else ''}"


def _print_differences(name: str, recorded: Recorded, differing: "Sequence[Difference]") -> None:
    from lightune.cli.records import print_records
    from lightune.provenance.differences import what_is_the_same

    same = what_is_the_same(recorded, differing)
    say(f"reproduces   {name}")
    say(f"the same     {same or 'nothing: the run did not record what it ran on'}")
    if differing:
        print_records([(each.what, each.then, each.now) for each in differing], ("differs", "then", "now"))


def _print_table(answer: "Reproduction", *, is_kept: bool) -> None:
    from lightune.cli.records import print_records

    rows = [(each.name, _shown(each.then), _shown(each.now), _same(each)) for each in answer.figures]
    for weights in answer.weights:
        numbers = f"{weights.count:,} weights"
        differing = f"{weights.differing:,} differ, by {weights.largest:.3g} at most"
        rows.append((weights.file, numbers, numbers, "identical" if weights.is_same else differing))
    print_records(rows, ("figure", "then", "now", ""))
    for file in answer.lost:
        say(f"{file} is not there any more: its weights could not be compared")
    say(_verdict(answer))
    where = f"lies in {shown_path(answer.folder)}" if is_kept else "was not kept; --output FOLDER keeps it"
    say(f"the new run {where}", error=True)


def _verdict(answer: "Reproduction") -> str:
    figures, weights = len(answer.figures), sum(each.count for each in answer.weights)
    if answer.is_same:
        with_weights = f" and {weights:,} weights" if weights else ""
        return f"identical: {counted(figures, 'figure')}{with_weights}, to the last digit (tolerance 0)"
    others = sum(not each.is_same for each in answer.figures)
    of_weights = sum(each.differing for each in answer.weights)
    said = f"{others} of {counted(figures, 'figure')} and {of_weights:,} of {weights:,} weights (tolerance 0)"
    return f"different: {said}"


def _print_line(name: str, answer: "Reproduction") -> None:
    result = answer.recorded.result
    figure = f"{result.objective.metric} {_shown(result.objective.value)}"
    say(f"{name}  {figure}  {_verdict(answer)}")


def _shown(value: float | None) -> str:
    return "none" if value is None else repr(value)  # to the last digit


def _same(figure: "Figure") -> str:
    if figure.is_same:
        return "identical"
    if figure.then is None or figure.now is None:
        return "different"
    return f"different, by {abs(figure.now - figure.then):.3g}"


def _plain(name: str, answer: "Reproduction") -> dict[str, Any]:
    return {
        "run": name,
        "identical": answer.is_same,
        "tolerance": 0,
        "differs": [asdict(each) for each in answer.differing],
        "figures": [{**asdict(each), "identical": each.is_same} for each in answer.figures],
        "weights": [
            {
                **asdict(each),
                "largest": _finite(each.largest),
                "identical": each.is_same,
            }
            for each in answer.weights
        ],
        "not_compared": list(answer.lost),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(text: str) -> int:
    if text.isascii() and text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number >= 0, got {text}")
