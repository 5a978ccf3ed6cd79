"""Decoded files that are kept on disk, so that the next start of the same data need not decode them.

What was decoded is found by the paths, sizes and times of the files first, and, where these are new, by their
content. Files of numbers alone are read; one that cannot be read counts as not there.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightune.data.decoded_rows import FileRows
from lightune.runtime.atomic_files import whole_file, write_whole
from lightune.runtime.bounded_folder import make_room

__all__ = ["LARGEST", "DecodedCache"]

LARGEST = 20 * 2**30
"""Bytes that a cache holds at most; what was not used for longest is removed."""

_DATA, _KEY = ".npy", ".key"
_SIZE = 16  # bytes of a digest
_VERSION = 1  # of how files are decoded: another decoder has another number
_log = logging.getLogger(__name__)


class DecodedCache:
    """Keep tensors of decoded files in a folder, which several processes may use at once.

    Args:
        folder: made when something is kept; one that is a link is not used.
        largest: bytes that it holds at most.
    """

    def __init__(self, folder: Path, largest: int = LARGEST) -> None:
        self.folder, self._largest = folder, largest
        self._waiting: tuple[Sequence[Path], Mapping[str, Any], Tensor, FileRows | None] | None = None

    def find(self, files: Sequence[Path], form: Mapping[str, Any], *, in_file: bool = False) -> Tensor | None:
        """Return what files were decoded to; None if that is not known.

        Args:
            files: in their order.
            form: what they are decoded to, as texts and numbers.
            in_file: whether it stays in its file, of which the system holds in memory what is used.
        """
        if self.folder.is_symlink() or not self.folder.is_dir():
            return None
        by_stamp = self.folder / f"{_digest(form, map(_stamp, files))}{_KEY}"
        with suppress(OSError, UnicodeDecodeError, ValueError):
            name = by_stamp.read_text(encoding="ascii")
            if (found := self._read(name, len(files), in_file)) is not None:
                return found
        if not any(self.folder.glob(f"*{_DATA}")):
            return None
        name = _digest(form, map(_content, files))
        found = self._read(name, len(files), in_file)
        if found is not None:
            with suppress(OSError):
                write_whole(by_stamp, name.encode())
        return found

    def keep(
        self, files: Sequence[Path], form: Mapping[str, Any], decoded: Tensor, rows: FileRows | None = None
    ) -> None:
        """Have a tensor (N, …) written by `store`; one that lies in a file is that file, where it can be."""
        here = [file.absolute() for file in files]  # the process may work elsewhere when they are stored
        self._waiting = here, form, decoded, rows

    def store(self) -> None:
        """Write what was to be kept, and remove what was not used for longest where there is too much."""
        if self._waiting is None or self.folder.is_symlink():
            return
        (files, form, decoded, rows), self._waiting = self._waiting, None
        if decoded.numel() * decoded.element_size() > self._largest:
            return
        try:
            name = _digest(form, map(_content, files))
            target = self.folder / f"{name}{_DATA}"
            self.folder.mkdir(parents=True, exist_ok=True)
            if rows is None or not rows.name(target):
                with whole_file(target, binary=True) as file:
                    np.lib.format.write_array(file, decoded.numpy(), allow_pickle=False)
            write_whole(self.folder / f"{_digest(form, map(_stamp, files))}{_KEY}", name.encode())
            make_room(self.folder, self._largest, target)
        except OSError as error:
            _log.warning("decoded files are not kept in %s: %s", self.folder, error.strerror or error)

    def _read(self, name: str, count: int, in_file: bool) -> Tensor | None:
        if len(name) != 2 * _SIZE or not set(name) <= set("0123456789abcdef"):
            return None
        file = self.folder / f"{name}{_DATA}"
        try:
            found = np.load(file, mmap_mode="c" if in_file else None, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if found.ndim < 2 or len(found) != count:
            return None
        with suppress(OSError):
            os.utime(file)
        return torch.from_numpy(found)


def _digest(form: Mapping[str, Any], parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(json.dumps([_VERSION, dict(form)], sort_keys=True).encode(), digest_size=_SIZE)
    for part in parts:
        digest.update(hashlib.blake2b(part, digest_size=_SIZE).digest())
    return digest.hexdigest()


def _stamp(file: Path) -> bytes:
    """Return where a file is, how long, and when it was changed."""
    known = file.stat()
    return f"{file.absolute()}\n{known.st_size} {known.st_mtime_ns}".encode(errors="surrogateescape")


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=_SIZE)).digest()
