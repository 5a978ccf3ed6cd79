"""What lies in a folder lies there: no link leads whoever writes into it to files elsewhere.

This module must not import torch or Lightning.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lightune.errors import ConfigError, Problem

__all__ = ["foreign_content", "is_below", "require_contained"]

_MOST = 3


def require_contained(folder: Path) -> None:
    """Refuse a folder in which something is to be written, if anything in it leads elsewhere.

    The folder itself, and those above it, may be links.

    Raises:
        ConfigError: naming the first links, pipes and devices that are found.
    """
    problems: list[Problem] = []
    for path, what in _found(folder):
        if len(problems) == _MOST:
            break
        problems.append(Problem(str(path), f"{what}, and nothing is written through it; remove it and try again"))
    if problems:
        raise ConfigError(problems)


def _found(folder: Path) -> Iterator[tuple[Path, str]]:
    root = os.path.realpath(folder)
    waiting = [root]
    while waiting:
        place = waiting.pop()
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
            for entry in entries:
                if entry.is_symlink():
                    target = os.path.realpath(entry.path)
                    if target != root and not target.startswith(f"{root}{os.sep}"):
                        yield _as_named(entry.path, root, folder), f"is a link to {target}, outside of the folder"
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
                        yield _as_named(entry.path, root, folder), _KINDS.get(kind, "is no file")


_KINDS = {stat.S_IFIFO: "is a pipe", stat.S_IFSOCK: "is a socket"}


def _as_named(path: str, root: str, folder: Path) -> Path:
    return folder / os.path.relpath(path, root)


def foreign_content(root: Path) -> list[str]:
    """Return the names in a folder that no runs or studies were written to yet; nothing if it is new or empty."""
    try:
        names = sorted(os.listdir(root))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [] if {"runs", "studies"} & set(names) else names


def is_below(name: object) -> bool:
    """Tell whether a text, put behind a folder's path, names something below that folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    parts = Path(name).parts
    return bool(parts) and not Path(name).is_absolute() and ".." not in parts
