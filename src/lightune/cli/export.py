"""`lightune export`: a trained run as a file for other programs.

This module must not import torch or Lightning at its top.
"""

import argparse
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.errors import ConfigError, Problem
from lightune.paths import expanded
from lightune.runtime.plain_text import say
from lightune.training.imports import import_training
from lightune.wording import counted

__all__ = ["add_arguments", "export"]

_NAMES = {"onnx": "model.onnx", "torch_export": "model.pt2"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune export` takes."""
    add = parser.add_argument
    with_runs(
        add("run", type=typed_path, metavar="RUN", help="folder of a run, a fold or a study, or a study's name")
    )
    add("--to", choices=tuple(_NAMES), required=True, help="onnx, or torch_export for torch.export.load")
    add("--output", type=typed_path, metavar="FILE", help="(default: model.onnx, or model.pt2)")
    add("--overwrite", action="store_true", help="replace the file if it is there")
    add("--no-preparation", action="store_true", help="leave out what prepares samples: it takes prepared ones")
    add("--checkpoint", type=expanded, default="best", help="best, last, or the path of a file (default: best)")


def export(options: argparse.Namespace, folder: Path) -> None:
    """Write the file, and say how close it is to the run.

    Args:
        options: as `add_arguments` declares them.
        folder: the run's.

    Raises:
        ConfigError: if something cannot be used; nothing was written.
    """
    output = options.output or Path(_NAMES[options.to])
    if output.is_dir():
        raise ConfigError([Problem("--output", f"must be a file, got the folder {output}")])
    if output.exists() and not options.overwrite:
        raise ConfigError([Problem("--output", f"{output} exists; choose another name, or add --overwrite")])
    import_training()
    from lightune.exporting import export as write

    settings = {"to": options.to, "checkpoint": options.checkpoint, "prepares": not options.no_preparation}
    try:
        made = write(folder, output, **settings)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([Problem("--output", f"{output} cannot be written ({reason})")]) from error
    if made.networks > 1:
        say(f"the mean of the run's {made.networks} fits, as lightune predict gives it")
    on = (
        f"{counted(made.samples, 'sample')} of the run's data"
        if made.samples
        else "made-up samples: the run's data are not there, or have changed"
    )
    say(f"{output}: predicts what the run predicts, to {made.difference:.1e} (largest difference, on {on})")
