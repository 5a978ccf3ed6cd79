"""Locks on files that all processes of a study share, on all machines that share its folder.

The kernel gives a dead process's locks back at once, so that nobody waits for a heartbeat to be missed. All locks
are filelock's, taken on a descriptor that this module opens: their holder may rename or remove the file.
This module must not import Optuna, torch or Lightning.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from lightune.runtime.folder_lock import folder_locked

__all__ = ["LOCK", "acquire", "claimed", "is_held", "locked", "release", "study_lock"]

LOCK = ".study.lock"
_CLAIMS = ".claims"
_POLL_SECONDS = 0.01


@contextmanager
def study_lock(study: Path) -> Iterator[None]:
    """Hold the lock of a study's folder, under which it is made and its trials are asked for.

    The folder itself is locked, too: another process must not come in when somebody removes the file.
    """
    with locked(study / LOCK), folder_locked(study):
        yield


@contextmanager
def claimed(study: Path, number: int, *, wait: bool = True) -> Iterator[bool]:
    """Claim a trial, so that one process at a time writes into its folder.

    A trial whose machine is taken for dead may still be written by it; its claim ends with its process.

    Args:
        study: the study's folder.
        number: the trial's.
        wait: whether to wait while another process holds the claim.

    Yields:
        Whether it is ours.
    """
    folder = study / _CLAIMS
    folder.mkdir(exist_ok=True)
    with locked(folder / str(number), wait=wait) as ours:
        yield ours


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a file's lock, which dies with its holder; a holder may remove the file.

    Args:
        path: made if it does not exist.
        wait: whether to wait while another holds it.

    Yields:
        Whether it is held.
    """
    descriptor = acquire(path, wait=wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            release(descriptor)


def acquire(path: Path, *, wait: bool = True, poll: float = _POLL_SECONDS) -> int | None:
    """Take the lock of a file, which is made if it does not exist.

    Args:
        path: of the file.
        wait: whether to wait while another holds it.
        poll: seconds between two attempts, > 0.

    Returns:
        The locked file's descriptor, for `release`; None if another holds the lock and nobody is to wait.

    Raises:
        OSError: if the file cannot be made, or its file system knows no locks.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # the folder, or the file, was removed meanwhile
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            kept = False
            try:
                if not lock_descriptor(descriptor, blocking=wait, poll_interval=poll):
                    return None
                kept = os.path.samestat(os.fstat(descriptor), path.stat())  # else another file has taken its place
            finally:
                if not kept:
                    os.close(descriptor)
            if kept:
                return descriptor


def release(descriptor: int) -> None:
    """Give a lock back."""
    os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return True if a living process holds a file's lock; False if not, or if there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not lock_descriptor(descriptor, blocking=False)
    finally:
        os.close(descriptor)
