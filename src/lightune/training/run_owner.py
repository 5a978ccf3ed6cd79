"""One process at a time works in a run's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lightune.errors import ConfigError, Problem
from lightune.paths import RUN_LOCK
from lightune.runtime.folder_lock import folder_locked

__all__ = ["is_at_work", "only_owner"]


@contextmanager
def only_owner(run_dir: Path) -> Iterator[None]:
    """Hold a run's folder against other processes for as long as the run lasts; a killed process lets go of it.

    Raises:
        ConfigError: if another process is at work there.
    """
    lock = FileLock(run_dir / RUN_LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise _at_work(run_dir) from None
    try:
        with folder_locked(run_dir, wait=False) as ours:  # as somebody may remove the file of the other lock
            if not ours:
                raise _at_work(run_dir)
            yield
    finally:
        (run_dir / RUN_LOCK).unlink(missing_ok=True)
        lock.release()


def _at_work(run_dir: Path) -> ConfigError:
    return ConfigError([Problem(str(run_dir), "is at work in another process; wait for it or stop it")])


def is_at_work(run_dir: Path) -> bool:
    """Return True if a process works in a run's folder."""
    with folder_locked(run_dir, wait=False) as free:
        if not free:
            return True
    lock = run_dir / RUN_LOCK
    if lock.is_symlink() or not lock.is_file():  # a lock is taken by opening the file, wherever it is
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # a folder of somebody else's
