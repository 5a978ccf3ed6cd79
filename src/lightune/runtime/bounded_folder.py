"""Folders of files that can be had again: when they grow too large, what was not used for longest goes."""

from contextlib import suppress
from pathlib import Path

__all__ = ["make_room"]


def make_room(folder: Path, largest: int, newest: Path) -> None:
    """Remove files of a folder, those that were changed longest ago first, until it holds no more than it may.

    Args:
        folder: whose files go; other processes may use it, too.
        largest: bytes that it may hold, >= 0.
        newest: the file that stays in any case, with those that are newer.

    Raises:
        OSError: if the folder cannot be read, or a file not removed.
    """
    there = []
    for file in folder.iterdir():
        with suppress(OSError):  # another process may have removed it
            there.append((file.stat().st_mtime_ns, file.stat().st_size, file))
    total = sum(size for _, size, _ in there)
    for _, size, file in sorted(there):
        if total <= largest or file == newest:
            break
        file.unlink(missing_ok=True)
        total -= size
