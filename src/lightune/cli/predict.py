"""`lightune predict`: what a trained run says of new files.

This module must not import torch or Lightning at its top.
"""

import argparse
import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.errors import ConfigError, Problem
from lightune.paths import absence, expanded
from lightune.runtime.atomic_files import whole_file
from lightune.runtime.plain_text import cell, say
from lightune.training.imports import import_training
from lightune.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

    from lightune.inference.certainty import Beside
    from lightune.inference.predictor import Predictor
    from lightune.inference.table_input import Tally

__all__ = ["add_arguments", "predict"]

OUTPUT = "predictions.csv"

_REJECT_RATE = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune predict` takes."""
    add = parser.add_argument
    with_runs(
        add("run", type=typed_path, metavar="RUN", help="folder of a run, a fold or a study, or a study's name")
    )
    add("--input", type=typed_path, nargs="+", required=True, metavar="PATH", help="files with new samples")
    add("--output", type=typed_path, default=Path(OUTPUT), metavar="FILE", help=f"(default: {OUTPUT})")
    add(
        "--on-unreadable",
        choices=("refuse", "skip"),
        default="refuse",
        help="pictures or sounds that cannot be decoded (default: refuse)",
    )
    add("--checkpoint", type=expanded, default="best", help="best, last, or the path of a file (default: best)")
    add("--threshold", type=_share, metavar="P", help="of two classes: the positive one from this probability on")
    add("--sets", type=_share, metavar="SHARE", help="of classes: sets that hold the true one as often as this")
    add("--interval", type=_share, metavar="SHARE", help="of values: intervals that hold the true one as often")
    add(
        "--reject",
        choices=("none", "confidence", "distance"),
        default="none",
        help="mark what the network is not sure of, or what is far from its data (default: none)",
    )
    add(
        "--reject-rate",
        type=_share,
        metavar="SHARE",
        help="of ordinary samples that --reject marks (default: 0.05)",
    )
    add("--device", default="auto", help="cpu, cuda, or auto: a GPU where there is one (default: auto)")
    add("--batch-size", type=_count, default=1024, metavar="N", help="samples at a time (default: 1024)")


def predict(options: argparse.Namespace, folder: Path) -> None:
    """Predict, write the predictions, and say where they are.

    Args:
        options: as `add_arguments` declares them.
        folder: the run's.

    Raises:
        ConfigError: if something cannot be used; nothing was written.
    """
    problems = [Problem("--input", absence(path)) for path in options.input if not path.exists()]
    if options.output.is_dir():
        problems.append(Problem("--output", f"must be a file, got the folder {options.output}"))
    elif options.output.exists() and not _is_ours(options.output):
        rule = "exists and was not written by lightune predict"
        problems.append(Problem("--output", f"{options.output} {rule}; choose another name, or remove it"))
    if problems:
        raise ConfigError(problems)
    import_training()
    from lightune.prediction import load

    predictor = load(folder, checkpoint=options.checkpoint, device=options.device, batch_size=options.batch_size)
    if options.threshold is not None and len(predictor.classes) != 2:
        count = len(predictor.classes)
        given = counted(count, "class", "classes") if count else "values"
        raise ConfigError([Problem("--threshold", f"is for two classes, and the run predicts {given}")])
    if options.on_unreadable == "skip" and predictor.counted != "file":
        rule = "is for pictures and sounds, and the run predicts rows of a table, all of which are read"
        raise ConfigError([Problem("--on-unreadable", rule)])
    beside = _beside(predictor, options, folder)
    older = " in place of an older one" if options.output.exists() else ""
    try:
        total = _write(predictor, options, beside)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([Problem("--output", f"{options.output} cannot be written ({reason})")]) from error
    say(f"{counted(total, 'prediction')} of {predictor.target} in {options.output}{older}")
    for each in beside:
        if (rejected := getattr(each, "rejected", None)) is not None:
            say(f"{rejected:,} of them rejected by {options.reject}", error=True)


def _beside(predictor: "Predictor", options: argparse.Namespace, folder: Path) -> "list[Beside]":
    """Return the columns that are asked for beside the predictions.

    Raises:
        ConfigError: if one does not fit the run, or there is nothing to fit it on.
    """
    from lightune.calibration import reference_features, validated
    from lightune.inference.certainty import Beside, Confidence, Distance, Intervals, Sets

    if problems := list(_misplaced(predictor, options)):
        raise ConfigError(problems)
    rate = options.reject_rate or _REJECT_RATE
    networks, how = predictor.networks, {"checkpoint": options.checkpoint}
    makers: dict[str, Callable[[str], Beside]] = {
        "--sets": lambda key: Sets(validated(folder, networks, asked=key, **how), options.sets, predictor.classes),
        "--interval": lambda key: Intervals(validated(folder, networks, asked=key, **how), options.interval),
        "--reject confidence": lambda key: Confidence(validated(folder, networks, asked=key, **how), rate),
        "--reject distance": lambda key: Distance(
            networks, reference_features(folder, networks, asked=key, **how), rate
        ),
    }
    asked = {
        "--sets": options.sets is not None,
        "--interval": options.interval is not None,
        f"--reject {options.reject}": options.reject != "none",
    }
    beside = []
    for key in (key for key, is_asked in asked.items() if is_asked):
        try:
            beside.append(makers[key](key))
        except ValueError as error:
            raise ConfigError([Problem(key, str(error))]) from error
    return beside


def _misplaced(predictor: "Predictor", options: argparse.Namespace) -> Iterator[Problem]:
    if options.interval is not None and predictor.classes:
        yield Problem("--interval", "is for values, and the run predicts classes; --sets is for these")
    if options.sets is not None and not predictor.classes:
        yield Problem("--sets", "is for classes, and the run predicts values; --interval is for these")
    if options.reject == "confidence" and not predictor.classes:
        yield Problem("--reject", "confidence is for classes, and the run predicts values; choose distance")
    if options.reject_rate is not None and options.reject == "none":
        yield Problem("--reject-rate", "is for --reject confidence and --reject distance")


def _write(predictor: "Predictor", options: argparse.Namespace, beside: "Sequence[Beside]") -> int:
    from lightune.inference.table_input import Tally

    paths: Sequence[Path] = options.input
    total, skip = 0, options.on_unreadable == "skip"
    with whole_file(options.output) as file:
        lines = csv.writer(file, lineterminator="\n")
        several = len(paths) > 1 and predictor.counted != "file"
        header = [*_header(predictor), *(name for each in beside for name in each.header)]
        lines.writerow([*(["file"] if several else []), predictor.counted, *header])
        for path in paths:
            tally, first = Tally(), [cell(str(path))] if several else []
            for names, raw in _read(predictor, path, tally, skip=skip):
                predicted = predictor.of_raw(raw)
                more = [each.cells(raw, predicted) for each in beside]
                if predictor.counted == "file":
                    names = list(map(cell, names))
                parts = [([name] for name in names), _cells(predictor, predicted, options.threshold), *more]
                lines.writerows(chain(first, *row) for row in zip(*parts, strict=True))
            for line in tally.lines():
                say(f"{path}: {line}", error=True)
            total += tally.rows
    return total


def _read(
    predictor: "Predictor", path: Path, tally: "Tally", *, skip: bool
) -> Iterator[tuple[list[str], "Tensor"]]:
    """Yield names and samples of a file.

    Raises:
        ConfigError: if the file cannot be read as what the run was trained on.
    """
    try:
        yield from predictor.read_file(path, tally, skip_unreadable=skip)
    except (OSError, ValueError) as error:
        raise ConfigError([Problem("--input", _told(path, error))]) from error


def _header(predictor: "Predictor") -> list[str]:
    if predictor.classes:
        return ["predicted", "probability", *(cell(f"p_{name}") for name in predictor.classes)]
    count = predictor.values
    return ["predicted"] if count == 1 else [f"predicted_{number}" for number in range(count)]


def _cells(predictor: "Predictor", predicted: "Tensor", threshold: float | None) -> Iterator[list[Any]]:
    written = [[f"{value:.6g}" for value in values] for values in predicted.tolist()]
    if not predictor.classes:
        yield from written
        return
    choices = predicted.argmax(dim=1) if threshold is None else (predicted[:, 1] >= threshold).long()
    names = list(map(cell, predictor.classes))
    for choice, values in zip(choices.tolist(), written, strict=True):
        yield [names[choice], values[choice], *values]


def _told(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or path} cannot be read: {error.strerror}"
    return str(error) if str(path) in str(error) else f"{path} {error}"


def _is_ours(file: Path) -> bool:
    with file.open("rb") as opened:
        start = opened.read(64).decode("utf-8", errors="replace")
    return re.match(r"(file,)?(row|file),predicted(,|\r?\n)", start) is not None


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 < (value := float(text)) < 1:
            return value
    raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text}")


def _count(text: str) -> int:
    with suppress(ValueError):
        if (value := int(text)) >= 1:
            return value
    raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, got {text}")
