"""`lightune pack`: a study or a run as one file that repeats every figure elsewhere.

This module must not import torch or Lightning.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.cli.completion import with_runs
from lightune.cli.reproduce import ENDING
from lightune.config.trust import ENVIRONMENT_VARIABLE
from lightune.errors import ConfigError, Problem
from lightune.paths import shown_path
from lightune.runtime.plain_text import say
from lightune.study.definition.spec import FILE_NAME as STUDY_FILE
from lightune.training.resumption import run_of
from lightune.wording import counted

__all__ = ["add_arguments", "pack"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune pack` takes."""
    add = parser.add_argument
    with_runs(
        add("path", type=typed_path, metavar="RUN|STUDY", help="the folder of a run or a study, or its name")
    )
    add("--output", type=typed_path, metavar="FILE", help="the file (default: NAME.zip in this folder)")
    add(
        "--checkpoints",
        choices=("best", "none"),
        default="best",
        help="whether the best weights are packed, and those that they build on (default: best)",
    )
    add("--no-data", action="store_true", help="leave out the data, and what the network says of each sample")


def pack(options: argparse.Namespace, folder: Path, best: Callable[[Path], Path]) -> None:
    """Pack a study or run; say what is in the file, and what is not.

    Args:
        options: as `add_arguments` declares them.
        folder: of the study, run or fit, of which the run is packed.
        best: takes the folder of a study and returns that of its best trial.

    Raises:
        ConfigError: if there is nothing to pack, or the file cannot be written.
    """
    folder = folder if (folder / STUDY_FILE).is_file() else run_of(folder)
    file = options.output or Path(f"{folder.absolute().name}{ENDING}")
    if file.suffix != ENDING:
        raise ConfigError([Problem("--output", f"must end with {ENDING}, got {file}")])
    if file.exists():
        raise ConfigError([Problem("--output", f"{file} exists; choose another name, or remove it")])
    from lightune.provenance.capsule import CODE  # which every other command starts faster without
    from lightune.provenance.packing import pack as pack_capsule

    try:
        packed = pack_capsule(
            folder, file, best=best, checkpoints=options.checkpoints == "best", data=not options.no_data
        )
    except OSError as error:
        raise ConfigError([Problem("--output", f"{file} cannot be written: {error.strerror or error}")]) from error
    about = packed.about
    say(f"packed     {shown_path(file)}: {counted(len(about.files), 'file')}, {packed.bytes / 1e6:,.1f} MB")
    for line in about.left_out:
        say(f"left out   {line}")
    if about.hidden:
        say(f"hidden     credentials in {', '.join(about.hidden)}")
    own = sorted({name.split("/")[1].removesuffix(".py") for name in about.files if name.startswith(f"{CODE}/")})
    trust = f"{ENVIRONMENT_VARIABLE}={','.join(own)} " if own else ""
    say(f"verify it  {trust}lightune reproduce {shown_path(file)}")
    if own:
        say(f"           which runs your own code, in {CODE}/ of the file: whoever trusts it by name")
