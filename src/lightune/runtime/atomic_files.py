"""Files that are written whole or not at all.

This module must not import torch or Lightning.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lightune.runtime.plain_text import escaped

__all__ = ["json_text", "remove_leftovers", "whole_file", "write_json", "write_whole", "written_together"]

_SUFFIX = ".tmp"

_waiting: list[dict[Path, Path]] = []  # target → what will be moved there


@contextmanager
def written_together() -> Iterator[None]:
    """Move files written meanwhile into place at the end: the disk is waited for about once, not for each.

    They appear in the order of their writing, each whole; within another such context, at the end of that.
    """
    if _waiting:
        yield
        return
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
    try:
        _write_once(target, content)
    except FileNotFoundError:  # somebody has removed what was half written, or the folder
        _write_once(target, content)


def _write_once(target: Path, content: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own: processes of two containers may have the same id
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}{_SUFFIX}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        if _waiting:
            earlier = _waiting[-1].get(target)
            _waiting[-1][target] = temporary
            if earlier is not None:
                earlier.unlink(missing_ok=True)
            return
        _to_disk(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole_file(target: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a file that is moved into place when all of it was written: for what is written bit by bit.

    Args:
        target: the file; its folder is made as needed.
        binary: whether it is of bytes, else of text, the lines of which end as they are written.

    Raises:
        OSError: if the disk is full or the folder cannot be written to; the old file is then untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        with temporary.open("wb") if binary else temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
        _to_disk(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(target: Path, content: Any) -> None:
    """Write a JSON file whole or not at all.

    Raises:
        ValueError: if a number is not finite.
        OSError: as for `write_whole`.
    """
    write_whole(target, json_text(content).encode())


def json_text(content: Any) -> str:
    r"""Return content as indented JSON that people can read: letters as they are, control codes as `\u001b`.

    Raises:
        ValueError: if a number is not finite.
    """
    return escaped(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)) + "\n"


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove what processes that were killed while they wrote have left; nobody may be writing there.

    Args:
        folder: where to look.
        below: whether to look in all folders below it, too.
    """
    for path in (folder.rglob if below else folder.glob)(f".*{_SUFFIX}"):
        if path.is_file():
            path.unlink(missing_ok=True)
