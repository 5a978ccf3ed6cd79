"""Checkpoints that were removed because somebody said that nobody needs them; the folder keeps a note of why.

This module must not import torch or Lightning.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import visible

__all__ = ["checkpoints_of", "is_removed", "reason_removed", "remove_checkpoints"]

REMOVED_FILE = "removed.txt"
"""In a folder of checkpoints: says that some were removed, and why."""

_ONE_LINE = re.compile(r"[^\r\n]{1,200}")


def checkpoints_of(folder: Path) -> list[Path]:
    """Return the folders of checkpoints of a run: its own, or those of its fits.

    Args:
        folder: the run's.
    """
    homes = [folder / "checkpoints", *sorted(folder.glob("fits/*/checkpoints"))]
    return [home for home in homes if home.is_dir() and not home.is_symlink()]


def remove_checkpoints(folder: Path, reason: str, names: Sequence[str] = ("*",)) -> int:
    """Remove checkpoints in a run's folder with their checksums, and leave a note of why beside where they were.

    Args:
        folder: the run's.
        reason: in words that can follow "was removed, ".
        names: patterns of the files' names, without their ending.

    Returns:
        How many bytes they had.

    Raises:
        OSError: if that cannot be done.
    """
    size = 0
    for home in checkpoints_of(folder):
        endings = [f"{name}.ckpt{more}" for name in names for more in ("", ".sha256")]
        files = [file for ending in endings for file in home.glob(ending)]
        if files:
            write_whole(home / REMOVED_FILE, f"{reason}\n".encode())
        for file in files:
            size += file.lstat().st_size
            file.unlink(missing_ok=True)
    return size


def is_removed(path: Path) -> bool:
    """Return True if a checkpoint is not there, and others of its folder were removed.

    Args:
        path: the checkpoint's.
    """
    return not path.exists() and (path.parent / REMOVED_FILE).is_file()


def reason_removed(path: Path) -> str:
    """Return why a checkpoint was removed, in words that can follow "was removed, ".

    Args:
        path: the checkpoint's.
    """
    try:
        with (path.parent / REMOVED_FILE).open(encoding="utf-8", errors="replace") as file:
            found = _ONE_LINE.match(file.read(1000))
    except OSError:
        found = None
    return visible(found[0]) if found else "nobody wrote why"
