"""Files that are written whole or not at all.

This module must not import torch or Lightning.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["write_whole", "written_together"]

_waiting: list[dict[Path, Path]] = []  # target → what will be moved there


@contextmanager
def written_together() -> Iterator[None]:
    """Let files written meanwhile be moved into place at the end: the disk is waited for about once, not for each.

    They appear in the order of their writing, each whole.
    """
    _waiting.append({})
    try:
        yield
    finally:
        files = _waiting.pop()
        try:
            for temporary in files.values():
                _to_disk(temporary)
            for target, temporary in files.items():
                temporary.replace(target)
        finally:
            for temporary in files.values():
                temporary.unlink(missing_ok=True)


def _to_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(target: Path, content: Any) -> None:
    """Write bytes beside a target and move them into place: a reader finds the old file or the new one, whole.

    Args:
        target: the file; its folder is made as needed.
        content: bytes, or what has their buffer.

    Raises:
        OSError: if the disk is full or the folder cannot be written to; the old file is then untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
        if _waiting:
            _waiting[-1][target] = temporary
            return
        _to_disk(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
