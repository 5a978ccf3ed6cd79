"""`lightune explain`: what the predictions of a run are due to.

This module must not import torch or Lightning at its top.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.cli.explain_study import OF_STUDIES, PRUNED, SEEDS
from lightune.errors import ConfigError, Problem
from lightune.paths import absence
from lightune.runtime.plain_text import say
from lightune.training.imports import import_training
from lightune.wording import counted

if TYPE_CHECKING:
    from lightune.explanation import Importances, Pictures

__all__ = ["add_arguments", "explain"]

_REPEATS, _SAMPLES = 10, 16
_SHOWN = 20  # columns on the terminal
_OF_TABLES, _OF_IMAGES = ("metric", "repeats"), ("samples", "device")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune explain` takes."""
    add = parser.add_argument
    with_runs(
        add("run", type=typed_path, metavar="RUN", help="folder of a run, a fold or a study, or a study's name")
    )
    add("--inputs", action="store_true", help="by the columns of a table, or the pixels of images")
    add(
        "--input",
        type=typed_path,
        nargs="+",
        metavar="PATH",
        help="a table with its targets, or images (default: the run's validation part)",
    )
    add("--checkpoint", default="best", help="best, last, or the path of a file (default: best)")
    add(
        "--metric", metavar="NAME", help="of tables: loss, or a metric of the run (default: what it was judged by)"
    )
    add(
        "--repeats", type=_count, metavar="N", help=f"of tables: permutations of each column (default: {_REPEATS})"
    )
    add("--samples", type=_count, metavar="N", help=f"of images: how many (default: {_SAMPLES})")
    seeds = f"of a study: with how many seeds each change is judged (default: {SEEDS})"
    add("--seeds", type=_count, metavar="N", help=seeds)
    add(
        "--pruned",
        type=_count_or_none,
        metavar="N",
        help=f"of a study: pruned trials trained to their end (default: {PRUNED})",
    )
    add("--device", help="of images: cpu, cuda, or auto: a GPU where there is one (default: auto)")
    add("--json", action="store_true", help="print one JSON object instead of a table")


def explain(options: argparse.Namespace, folder: Path) -> None:
    """Explain, and say what was found and where it is.

    Args:
        options: as `add_arguments` declares them.
        folder: the run's.

    Raises:
        ConfigError: if something cannot be used; nothing was written.
    """
    problems = [Problem("--input", absence(path)) for path in options.input or () if not path.exists()]
    if not options.inputs:
        problems.append(Problem("--inputs", "is what of a run can be explained; add it"))
    misplaced = [name for name in OF_STUDIES if getattr(options, name) is not None]
    problems += (Problem(f"--{name}", "is for the changes of a study; leave it out") for name in misplaced)
    if problems:
        raise ConfigError(problems)
    import_training()
    from lightune.explanation import FOLDER, explain_columns, explain_images, kind_of

    kind = kind_of(folder, options.checkpoint)
    if problems := list(_misplaced(options, kind)):
        raise ConfigError(problems)
    shared: dict[str, Any] = {"paths": options.input or (), "checkpoint": options.checkpoint}
    if kind == "table":
        found = explain_columns(folder, metric=options.metric, repeats=options.repeats or _REPEATS, **shared)
        _tell(found.remarks)
        _show_columns(found, options)
    else:
        how: dict[str, Any] = {"samples": options.samples or _SAMPLES, "device": options.device or "auto"}
        pictures = explain_images(folder, **how, **shared)
        _tell(pictures.remarks)
        _show_pictures(pictures, options)
    say(f"all of it is in {folder / FOLDER}", error=True)


def _misplaced(options: argparse.Namespace, kind: str) -> Iterator[Problem]:
    others, those, these = (
        (_OF_IMAGES, "images", "a table") if kind == "table" else (_OF_TABLES, "tables", "images")
    )
    for name in others:
        if getattr(options, name) is not None:
            yield Problem(f"--{name}", f"is for {those}, and the run reads {these}; leave it out")


def _tell(remarks: Sequence[str]) -> None:
    for remark in remarks:
        say(remark, error=True)


def _show_columns(found: "Importances", options: argparse.Namespace) -> None:
    if options.json:
        columns = [
            {"column": name, "importance": float(mean), "std": float(std)}
            for name, mean, std in zip(found.columns, found.mean, found.std, strict=True)
        ]
        print(
            json.dumps(
                {"metric": found.metric, "value": found.value, "rows": found.rows, "columns": columns}, indent=2
            )
        )
        return
    from lightune.cli.records import print_records

    spread = [f"{mean:+.4f} ± {std:.4f}" for mean, std in zip(found.mean, found.std, strict=True)]
    rows = list(zip(found.columns, spread, strict=True))
    print_records(rows[:_SHOWN], ("column", f"{found.metric} gets worse by"))
    if len(rows) > _SHOWN:
        say(f"and {counted(len(rows) - _SHOWN, 'column')} more")
    say(f"{found.metric} is {found.value:.4f} on {counted(found.rows, 'row')} as they are")


def _show_pictures(found: "Pictures", options: argparse.Namespace) -> None:
    targets = found.targets or [""] * len(found.names)
    rows = list(zip(found.names, found.predicted, targets, found.files, strict=True))
    if options.json:
        keys = ("image", "predicted", "target", "picture")
        print(
            json.dumps(
                [{key: text or None for key, text in zip(keys, row, strict=True)} for row in rows], indent=2
            )
        )
        return
    from lightune.cli.records import print_records

    print_records(rows[:_SHOWN], ("image", "predicted", "target", "picture"))
    if len(rows) > _SHOWN:
        say(f"and {counted(len(rows) - _SHOWN, 'picture')} more")


def _count(text: str, least: int = 1) -> int:
    with suppress(ValueError):
        if (value := int(text)) >= least:
            return value
    raise argparse.ArgumentTypeError(f"must be a whole number, at least {least}, got {text}")


def _count_or_none(text: str) -> int:
    return _count(text, 0)
