"""`lightune models`: which networks there are, by kind of data.

This module must not import torch or Lightning at its top.
"""

import argparse

from lightune.cli.records import print_records
from lightune.config.consistency import KINDS
from lightune.config.options import Option, options_of
from lightune.config.schema import SUPPLIED
from lightune.config.static.annotations import show

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


def models(options: argparse.Namespace) -> None:
    """Print the options of `model` below each kind of data that they take, or torchvision's names.

    Args:
        options: as `add_arguments` declares them.
    """
    if options.of == "torchvision":
        from lightune.models.torchvision import classifiers

        print("\n".join(classifiers()))
        return
    known = [option for option in options_of("model") if option.target is not None]
    for kind, (name, _) in KINDS.items():
        fitting = [option for option in known if kind in _accepted(option)]
        if fitting:
            print(f"{name}:")
            print_records([(f"model={option.name}", option.sentence, _parameters(option)) for option in fitting])
            print()


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
