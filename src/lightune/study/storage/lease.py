"""Who is at work on a study: a file whose lock its owner holds for as long as it lives.

This module must not import Optuna, torch or Lightning.
"""

import os
import re
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from lightune.study.storage.locks import acquire, is_held, release

__all__ = ["FOLDER", "WORKER_MARK", "Lease", "has_lease", "is_at_work", "is_name", "lives"]

WORKER_MARK = "LIGHTUNE_STUDY_OWNER"
"""Environment variable that every process of a driver's workers carries: the name of the owner's lease."""

FOLDER = ".leases"
_END_WORKERS_SECONDS = 10.0
_NAME = re.compile(r"[A-Za-z0-9-]+")


class Lease:
    """The sign of life of one driver on a study.

    Args:
        study: the study's folder.
    """

    def __init__(self, study: Path) -> None:
        self.name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._folder = study / FOLDER
        self._path = self._folder / self.name
        self._descriptor = self._make()

    def _make(self) -> int | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        unlocked = self._folder / f".{self.name}"
        while True:
            descriptor = acquire(unlocked)
            try:
                unlocked.rename(self._path)  # nobody sees it without its lock, and takes its owner for dead
            except FileNotFoundError:  # somebody has removed it
                if descriptor is not None:
                    release(descriptor)
            else:
                return descriptor

    def renew(self) -> None:
        """Make the file again if somebody has removed it."""
        if self._descriptor is not None and not self._path.exists():
            removed, self._descriptor = self._descriptor, self._make()
            release(removed)

    def is_alive(self, name: str) -> bool:
        """Return True if the owner of a lease still runs."""
        return name == self.name or _lives(self._folder / name)

    def is_alone(self) -> bool:
        """Return True if no other living driver has a lease."""
        names = (path.name for path in self._folder.iterdir() if not path.name.startswith("."))
        return not any(name != self.name and self.is_alive(name) for name in names)

    def end_workers_of_dead_owners(self) -> None:
        """End what still runs of dead drivers' workers, so that only ours write into the trials that we resume.

        What they left in the folder of leases is removed. The study's lock must be held, or one that is just being
        made could be taken for theirs.

        Raises:
            TimeoutError: if one of them does not end.
        """
        for name in sorted(path.name for path in self._folder.iterdir()):
            if not self.is_alive(name):
                _end_workers_of(name)
                (self._folder / name).unlink(missing_ok=True)

    def end(self) -> None:
        """Give the lease back."""
        if self._descriptor is not None:
            with suppress(OSError):  # on a read-only disk; whoever goes on removes it
                self._path.unlink(missing_ok=True)
            release(self._descriptor)
            self._descriptor = None


def is_name(name: object) -> TypeGuard[str]:
    """Tell whether something can be the name of a lease: a record may state anything."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def lives(study: Path, name: str) -> bool:
    """Return True if the owner of a lease still runs; for a process that has no lease itself."""
    return _lives(study / FOLDER / name)


def is_at_work(study: Path) -> bool:
    """Return True if a driver works on a study; no link is followed, as the folder may be somebody else's."""
    folder = study / FOLDER
    with suppress(OSError):
        leases = [] if folder.is_symlink() else [path for path in folder.iterdir() if not path.is_symlink()]
        return any(is_name(path.name) and _lives(path) for path in leases)
    return False


def has_lease(study: Path, name: str) -> bool:
    """Return True if a study's folder, as this machine sees it, has an owner's lease."""
    return (study / FOLDER / name).exists()


def _lives(path: Path) -> bool:
    return is_held(path) or _will_renew(path) or is_held(path)  # it may have made it again meanwhile


def _will_renew(path: Path) -> bool:
    """Return True if the owner of a lease that somebody removed runs on this machine, and will make it again."""
    try:
        opened = [os.readlink(entry) for entry in Path("/proc", path.name.partition("-")[0], "fd").iterdir()]
    except OSError:  # there is no such process, it has just closed a file, or it is somebody else's
        return False
    return f"{os.path.realpath(path.parent)}/{path.name} (deleted)" in opened


def _end_workers_of(owner: str) -> None:
    deadline = time.monotonic() + _END_WORKERS_SECONDS
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
