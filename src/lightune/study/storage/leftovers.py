"""What killed processes leave in a trial's folder: temporary files, and a lock that nobody holds.

This module must not import Optuna, torch or Lightning.
"""

from pathlib import Path

from lightune.paths import RUN_LOCK
from lightune.runtime.atomic_files import remove_leftovers
from lightune.study.storage.locks import locked

__all__ = ["clear_away"]


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
