"""What killed processes leave in a trial's folder: temporary files, a lock that nobody holds, and the last change.

This module must not import Optuna, torch or Lightning.
"""

from contextlib import suppress
from pathlib import Path

from lightune.paths import RUN_LOCK
from lightune.runtime.atomic_files import remove_leftovers
from lightune.study.storage.locks import locked

__all__ = ["clear_away", "newest_change"]


def clear_away(folder: Path) -> None:
    """Remove what a killed process has left in the folder of a trial that is over, unless one is at work there.

    Raises:
        OSError: if it cannot be removed.
    """
    lock = folder / RUN_LOCK
    if lock.is_symlink() or not lock.is_file():  # a lock is taken by opening the file, wherever it is
        remove_leftovers(folder, below=True)
        return
    with locked(lock, wait=False) as ours:
        if ours:
            remove_leftovers(folder, below=True)
            lock.unlink(missing_ok=True)


def newest_change(folder: Path) -> float:
    """Return when something below a folder was written last, in seconds since the epoch; 0 if nothing is there."""
    newest = 0.0
    for file in folder.rglob("*"):
        with suppress(OSError):  # it has just gone
            newest = max(newest, file.lstat().st_mtime)
    return newest
