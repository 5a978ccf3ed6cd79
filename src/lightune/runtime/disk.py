"""Disks that take nothing: full, over a quota, or read-only. This module must not import torch or Lightning."""

import errno
from collections.abc import Iterator

from lightune.errors import UnwritableError

__all__ = ["FULL", "READ_ONLY", "is_unwritable", "why_unwritable"]

FULL = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = (errno.EROFS,)


def is_unwritable(error: object) -> bool:
    """Return True if an error, or what it was raised for, says that a disk is full or read-only."""
    return why_unwritable(error) is not None


def why_unwritable(error: object) -> str | None:
    """Return in one line what an error, or what it was raised for, says of a full or read-only disk; else None."""
    for each in _chain(error):
        if isinstance(each, UnwritableError) or (isinstance(each, OSError) and each.errno in (*FULL, *READ_ONLY)):
            return " ".join(str(each).split())
    return None


def _chain(error: object) -> Iterator[BaseException]:
    seen: list[object] = []
    while isinstance(error, BaseException) and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
