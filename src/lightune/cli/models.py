"""`lightune models`: which networks there are, by kind of data.

This module must not import torch or Lightning at its top.
"""

import argparse
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.cli.records import print_records
from lightune.cli.train import prepare_path
from lightune.config.consistency import KINDS
from lightune.config.options import Option, options_of
from lightune.config.schema import SUPPLIED
from lightune.config.static.annotations import show
from lightune.errors import ConfigError, Problem
from lightune.runtime.plain_text import say

__all__ = ["add_arguments", "models"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune models` takes."""
    parser.add_argument(
        "of",
        nargs="?",
        choices=("torchvision",),
        metavar="torchvision",
        help="list the names that model=torchvision takes, instead",
    )
    parser.add_argument(
        "--config-dir", "-cd", type=typed_path, metavar="FOLDER", help="list the options of a folder of yours, too"
    )


def models(options: argparse.Namespace) -> None:
    """Print the options of `model` below each kind of data that they take, or torchvision's names.

    Args:
        options: as `add_arguments` declares them.

    Raises:
        ConfigError: if there is no folder of options, or nothing is to be listed of it.
    """
    folder: Path | None = options.config_dir
    if folder is not None and options.of is not None:
        raise ConfigError([Problem("--config-dir", f"is for options of yours, of which {options.of} lists none")])
    if folder is not None and not folder.is_dir():
        raise ConfigError([Problem("--config-dir", f"there is no folder {folder.absolute()}")])
    if options.of == "torchvision":
        from lightune.models.torchvision import classifiers

        print("\n".join(classifiers()))
        return
    prepare_path()
    every = list(options_of("model", folder))
    known = [option for option in every if option.target is not None]
    own_kinds = dict.fromkeys(kind for option in known for kind in _accepted(option) if kind not in KINDS)
    for kind in (*KINDS, *own_kinds):
        fitting = [option for option in known if kind in _accepted(option)]
        if fitting:
            say(f"{KINDS[kind][0] if kind in KINDS else kind}:")
            print_records([(f"model={option.name}", option.sentence, _parameters(option)) for option in fitting])
            print()
    if unknown := [f"model={option.name}" for option in every if option.target is None]:
        say(f"of which nothing can be told: {', '.join(unknown)} (no file of options, or its class is not found)")


def _accepted(option: Option) -> tuple[str, ...]:
    """Return the kinds of data that an option takes: all of them where its class does not say."""
    return tuple(option.target.constants.get("accepts", KINDS)) if option.target else ()


def _parameters(option: Option) -> str:
    """Return the arguments that may be set, as they are typed, with the values that the option gives them."""
    assert option.target is not None
    values = {
        name: option.node.get(name, parameter.default)
        for name, parameter in option.target.parameters.items()
        if name not in SUPPLIED["model"]
    }
    return " ".join(f"{name}={show(value).replace(' ', '')}" for name, value in values.items())
