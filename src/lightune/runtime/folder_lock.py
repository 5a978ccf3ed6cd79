"""The lock of a folder itself: nobody can remove it, as the files are removed that locks are taken on elsewhere.

This module must not import torch or Lightning.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor

__all__ = ["folder_locked"]

_POLL_SECONDS = 0.01


@contextmanager
def folder_locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's lock, which dies with its holder.

    Not every file system has such locks (NFS has none): there it is never held, and holds nobody up.

    Args:
        folder: which exists.
        wait: whether to wait while another process holds it.

    Yields:
        False if another holds it, and nobody is to wait.
    """
    descriptor = _opened(folder)
    try:
        yield descriptor is None or _lock(descriptor, wait=wait)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _opened(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY)
    except OSError:
        return None


def _lock(descriptor: int, *, wait: bool) -> bool:
    try:
        return lock_descriptor(descriptor, blocking=wait, poll_interval=_POLL_SECONDS)
    except OSError:
        return True
