"""`lightune init`: a project of one's own, which runs at once.

This module must not import torch or Lightning.
"""

import argparse
import os
from pathlib import Path

from lightune.cli.arguments import typed_path
from lightune.config.project import project_of
from lightune.errors import ConfigError, Problem
from lightune.runtime.plain_text import say, visible
from lightune.scaffold.project_files import STARTERS, changes_since, write_project

__all__ = ["add_arguments", "init"]

_NAME = "the project's folder, whose name is its package's"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `lightune init` takes."""
    add = parser.add_argument
    add("folder", type=typed_path, nargs="?", metavar="NAME", help=_NAME)
    kinds = "what it begins with: your own network, on a small sample of such data (default: table)"
    add("--starter", choices=list(STARTERS), help=kinds)
    add("--check", action="store_true", help="say what a project made today would have otherwise than this one")


def init(options: argparse.Namespace) -> None:
    """Write a new project, or say what has changed since one was written.

    Args:
        options: as `add_arguments` declares them.

    Raises:
        ConfigError: if it cannot be; nothing was written.
    """
    if options.check:
        _check(options)
        return
    if options.folder is None:
        raise ConfigError([Problem("NAME", f"must be given: {_NAME}")])
    starter = options.starter or next(iter(STARTERS))
    files = write_project(options.folder, starter)
    for file in files:
        print(visible(str(options.folder / file)))
    folder = os.path.relpath(options.folder)
    say(f"go on: {'' if folder == '.' else f'cd {visible(folder)} && '}make train", error=True)


def _check(options: argparse.Namespace) -> None:
    if options.starter is not None:
        raise ConfigError([Problem("--starter", "is for a new project; --check knows by which one was made")])
    folder = options.folder or Path.cwd()
    project = project_of(folder)
    if project is None:
        raise ConfigError([Problem("--check", f"there is no project at {folder}, nor above it")])
    changes = changes_since(project)
    for change in changes:
        print(f"{change.file}: {change.state}")
        print(visible(change.difference))
    if not changes:
        print("nothing has changed since this project was made")
