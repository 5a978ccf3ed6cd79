"""`lightune`: the companion tool for everything that is not training.

This module must not import torch or Lightning at its top: help and refusals are light.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lightune.cli.train import put_current_folder_on_path
from lightune.errors import LightuneError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command of the tool.

    Args:
        arguments: the words after `lightune`; this process's own by default.
    """
    put_current_folder_on_path()
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except LightuneError as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lightune", description="Work with finished runs.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    evaluate = commands.add_parser("evaluate", help="measure a run's checkpoint on its test or validation part")
    evaluate.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    evaluate.add_argument("--split", choices=("test", "val"), default="test", help="which part (default: test)")
    evaluate.add_argument("--checkpoint", default="best", help="best, last, or the path of a file (default: best)")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    evaluate.set_defaults(command=_evaluate)
    return parser


def _evaluate(options: argparse.Namespace) -> None:
    from lightune.evaluation import evaluate

    metrics = evaluate(options.run, split=options.split, checkpoint=options.checkpoint)
    if options.json:
        print(json.dumps(metrics, indent=2))
        return
    width = max(map(len, metrics))
    for name, value in metrics.items():
        print(f"{name:<{width}}  {value:.4f}")


if __name__ == "__main__":
    main()
