"""Completion in a shell: what Hydra's leaves out, and the words of the companion tool, by argcomplete.

A shell asks for completions by starting the program anew, with the line as it stands in the environment. This
module must not import torch or Lightning.
"""

import argparse
import os
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path

__all__ = ["complete_tool", "question_of", "wants_file", "with_runs", "with_studies"]

_TOOL = "_ARGCOMPLETE"  # which argcomplete's shell function sets
_COMPLETER = "completer"  # the attribute that argcomplete looks at
_LINE = "COMP_LINE"
_FOLDER = ("--config-dir", "-cd")
_TAKES_FILE = (*_FOLDER, "--config-path", "-cp")


def wants_file(arguments: Sequence[str]) -> bool:
    """Return True if a shell asks for completions where a folder belongs, which it knows by itself.

    Args:
        arguments: the words after the program's name.
    """
    before = _typed(arguments)[:-1]
    return bool(before) and before[-1] in _TAKES_FILE


def question_of(arguments: Sequence[str]) -> list[str]:
    """Return a program's arguments; where a shell asks for completions, with the folder of options of its line.

    Hydra reads the line, too, and divides it at every space: what names the folder is taken out of it.

    Args:
        arguments: the words after the program's name.
    """
    words = _typed(arguments)
    for place, word in enumerate(words[:-1]):  # the last is under the cursor
        name, given, value = word.partition("=")
        if name in _FOLDER:
            folder = Path(value if given else words[place + 1]).expanduser()
            rest = [*words[:place], *words[place + (1 if given else 2) :]]
            os.environ[_LINE] = " ".join(rest)
            return [*arguments, *(["--config-dir", str(folder)] if folder.is_dir() else [])]
    return list(arguments)


def _typed(arguments: Sequence[str]) -> list[str]:
    """Return the words of the line that a shell asks about, the last as far as it is typed; none if none asks.

    What is quoted and not closed yet is taken as it is.
    """
    asks = any(word in ("-sc", "--shell-completion") for word in arguments)
    if not asks or not any(word.startswith("query=") for word in arguments):
        return []
    line = os.environ.get(_LINE, "")
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return [*words, ""] if line.endswith(" ") else words


def with_studies(action: argparse.Action) -> None:
    """Complete an argument of the companion tool by the studies that there are."""
    setattr(action, _COMPLETER, partial(_matching, with_runs=False))


def with_runs(action: argparse.Action) -> None:
    """Complete an argument of the companion tool by the studies and runs that there are."""
    setattr(action, _COMPLETER, partial(_matching, with_runs=True))


def complete_tool(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and leave; do nothing where none asks.

    Args:
        parser: of the companion tool.
    """
    if _TOOL in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)


def _matching(prefix: str, *, with_runs: bool, **_: object) -> list[str]:
    """Return the studies and runs that begin with what is typed; any folders that do where none of them does."""
    from argcomplete.completers import DirectoriesCompleter

    from lightune.study.outputs.reader import (
        OUTPUTS,
        find_runs,
        find_studies,
    )  # which every command would wait for

    root = Path(OUTPUTS)
    studies = find_studies(root)
    runs = [str(folder) for folder, _ in find_runs(root)] if with_runs else []
    known = [*(folder.name for folder in studies), *map(str, studies), *runs]
    return [one for one in known if one.startswith(prefix)] or list(DirectoriesCompleter()(prefix))
