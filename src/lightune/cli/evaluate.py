"""`lightune evaluate`: measure a run again, on its own data or on new samples whose targets are known.

This module must not import torch or Lightning at its top.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.errors import ConfigError, Problem
from lightune.paths import absence, expanded
from lightune.runtime.plain_text import say
from lightune.training.imports import import_training

__all__ = ["add_arguments", "evaluate"]

_OF_FILES = ("labels", "on_unreadable")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune evaluate` takes."""
    add = parser.add_argument
    with_runs(add("run", type=typed_path, metavar="RUN", help="the run's folder, a study's, or a study's name"))
    add("--split", choices=("test", "val"), help="which part of the run's own data (default: test)")
    add(
        "--input",
        type=typed_path,
        nargs="+",
        metavar="PATH",
        help="new samples with their targets, in their place",
    )
    add("--labels", type=typed_path, metavar="FILE", help="a table of path and target for pictures and sounds")
    add(
        "--on-unreadable",
        choices=("refuse", "skip"),
        help="pictures or sounds of --input that cannot be decoded (default: refuse)",
    )
    add("--checkpoint", type=expanded, default="best", help="best, last, or the path of a file (default: best)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    add(
        "--errors",
        type=typed_path,
        nargs="?",
        const=Path(),
        metavar="FOLDER",
        help="write predictions, figures of classes, confusions and mistakes (default: RUN/errors_PART)",
    )


def evaluate(options: argparse.Namespace, folder: Path) -> None:
    """Measure, show the metrics, and say where the errors are.

    Args:
        options: as `add_arguments` declares them.
        folder: the run's.

    Raises:
        ConfigError: if something cannot be used; nothing was written.
    """
    split: Literal["test", "val"] = options.split or "test"
    errors = options.errors
    if errors == Path():
        errors = folder / f"errors_{'input' if options.input else split}"
    if problems := list(_problems(options, errors)):
        raise ConfigError(problems)
    import_training()
    from lightune.evaluation import evaluate, evaluate_files

    if options.input:
        metrics = evaluate_files(
            folder,
            options.input,
            checkpoint=options.checkpoint,
            labels=options.labels,
            skip_unreadable=options.on_unreadable == "skip",
            errors=errors,
            tell=lambda remark: say(remark, error=True),
        )
    else:
        metrics = evaluate(folder, split=split, checkpoint=options.checkpoint, errors=errors)
    if options.json:
        print(json.dumps(metrics, indent=2))
    else:
        width = max(map(len, metrics))
        for name, value in metrics.items():
            say(f"{name:<{width}}  {value:.4f}")
    if errors is not None:
        say(f"errors are in {errors}", error=True)


def _problems(options: argparse.Namespace, errors: Path | None) -> Iterator[Problem]:
    for path in options.input or ():
        if not path.exists():
            yield Problem("--input", absence(path))
    if options.input and options.split:
        yield Problem("--split", "is a part of the run's own data, and --input names others; leave one out")
    for name in () if options.input else _OF_FILES:
        if getattr(options, name) is not None:
            yield Problem(f"--{name.replace('_', '-')}", "is for --input, which is not given")
    if errors is not None and errors.exists() and not errors.is_dir():
        yield Problem("--errors", f"must be a folder, got the file {errors}")
