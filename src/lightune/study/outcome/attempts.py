"""The folder of a trial that is started again after it failed: what each start left is kept.

This module must not import Optuna, torch or Lightning.
"""

import shutil
from pathlib import Path

from lightune.paths import RUN_LOCK
from lightune.runtime.atomic_files import remove_leftovers

__all__ = ["has_room", "make_room"]

_KEPT = "attempts"


def make_room(folder: Path, attempt: int) -> None:
    """Make a trial's folder; what a failed start left in it moves to `attempts/`.

    Args:
        folder: the trial's.
        attempt: how often it failed before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if has_room(folder, attempt):
        return
    remove_leftovers(folder, below=True)
    (folder / RUN_LOCK).unlink(missing_ok=True)  # its holder has failed, and is gone
    kept = folder / _KEPT
    moving = kept / f".{attempt}"
    moving.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path != kept:
            shutil.move(path, moving / path.name)
    moving.rename(kept / str(attempt))  # at last, so that whoever is killed meanwhile goes on with it


def has_room(folder: Path, attempt: int) -> bool:
    """Return True if what is in a trial's folder is of this attempt, and not of one before."""
    return not attempt or (folder / _KEPT / str(attempt)).exists()
