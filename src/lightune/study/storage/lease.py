"""Who is at work on a study: a file that its owner keeps locked for as long as it lives.

The kernel gives a dead process's locks back at once, so that nobody waits for a heartbeat to be missed.
This module must not import Optuna, torch or Lightning.
"""

import fcntl
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

__all__ = ["FOLDER", "LOCK", "WORKER_MARK", "Lease", "has_lease", "lives", "locked", "study_lock"]

WORKER_MARK = "LIGHTUNE_STUDY_OWNER"
"""Environment variable that every process of a sweeper's workers carries: the name of the owner's lease."""

FOLDER, LOCK = ".leases", ".study.lock"
_PATIENCE = 10.0


class Lease:
    """The sign of life of one sweeper on a study.

    Args:
        study: the study's folder.
    """

    def __init__(self, study: Path) -> None:
        self.name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._folder = study / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / self.name
        unlocked = self._folder / f".{self.name}"
        self._file = os.open(unlocked, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unlocked.rename(self._path)  # nobody sees it without its lock, and takes its owner for dead

    def is_alive(self, name: str) -> bool:
        """Tell whether the owner of a lease still runs."""
        return name == self.name or _is_held(self._folder / name)

    def is_alone(self) -> bool:
        """Tell whether no other sweeper has a lease."""
        names = (path.name for path in self._folder.iterdir() if not path.name.startswith("."))
        return not any(name != self.name and self.is_alive(name) for name in names)

    def fence_off_the_dead(self) -> None:
        """End what still runs of dead owners' workers, so that only we write into what we take over."""
        for path in sorted(self._folder.iterdir()):
            if not path.name.startswith(".") and not self.is_alive(path.name):
                _end_workers_of(path.name)
                path.unlink(missing_ok=True)

    def end(self) -> None:
        """Give the lease back."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def lives(study: Path, name: str) -> bool:
    """Tell whether the owner of a lease still runs, from a process that has none."""
    return _is_held(study / FOLDER / name)


def _is_held(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def has_lease(study: Path, name: str) -> bool:
    """Tell whether a study's folder, as this machine sees it, has an owner's lease."""
    return (study / FOLDER / name).exists()


def _end_workers_of(owner: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while pids := list(_processes_of(owner)):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise TimeoutError(f"the workers {pids} of a dead sweeper do not end; end them and try again")
        time.sleep(0.01)


def _processes_of(owner: str) -> Iterator[int]:
    mark = f"{WORKER_MARK}={owner}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0") and not _is_zombie(folder):
                yield int(folder.name)
        except OSError:
            continue


def _is_zombie(folder: Path) -> bool:
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")


def study_lock(study: Path) -> AbstractContextManager[bool]:
    """Hold the lock of a study's folder, under which it is made and its trials are handed out."""
    return locked(study / LOCK)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a file's lock, which dies with its holder; a holder may remove the file.

    Args:
        path: made if it does not exist.
        wait: whether to wait while another holds it.

    Yields:
        Whether it is held.
    """
    file = _locked_file(path, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield file is not None
    finally:
        if file is not None:
            os.close(file)


def _locked_file(path: Path, how: int) -> int | None:
    """Return the file at a path once its lock is ours: while we waited, another may have taken its place.

    None if another has it and we are not to wait.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # the folder, or the file, went meanwhile
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            kept = False
            try:
                fcntl.flock(file, how)
                kept = os.path.samestat(os.fstat(file), path.stat())
            except BlockingIOError:
                return None
            finally:
                if not kept:
                    os.close(file)
            if kept:
                return file
