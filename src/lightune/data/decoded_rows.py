"""Where decoded samples are gathered: in memory, or in a file of which the system holds in memory what is used."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol
from weakref import finalize

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "DecodedRows",
    "FileRows",
    "MemoryRows",
    "NoRoomError",
    "existing",
    "gathered",
    "scratch_folder",
    "told_if_full",
    "unnamed",
]

_AT_ONCE = 2**24  # bytes that are copied at a time


class DecodedRows(Protocol):
    """What takes samples part by part, and returns all of them as one tensor."""

    def add(self, part: Tensor) -> None:
        """Take more samples (n, …), of the shape and type of those before."""

    def tensor(self) -> Tensor:
        """Return all that was added (N, …); nothing can be added any more."""


class MemoryRows:
    """Gather samples in memory.

    Args:
        count: how many come at most.
        shape: of one.
        dtype: of its numbers.
    """

    def __init__(self, count: int, shape: Sequence[int], dtype: torch.dtype) -> None:
        self._all, self._added = torch.empty((count, *shape), dtype=dtype), 0

    def add(self, part: Tensor) -> None:
        """Take more samples (n, …)."""
        self._all[self._added : self._added + len(part)] = part
        self._added += len(part)

    def tensor(self) -> Tensor:
        """Return all that was added (N, …)."""
        return self._all[: self._added]


class FileRows:
    """Gather samples in a file without a name, which is gone with the last that uses it, even if it is killed.

    The file is NumPy's (`.npy`), so that it can be given a name and be read again.

    Args:
        folder: where it lies; of folders that do not exist yet, the next above them.
        count: how many samples come at most.
        shape: of one.
        dtype: of its numbers.

    Raises:
        OSError: if nothing can be written there.
    """

    def __init__(self, folder: Path, count: int, shape: Sequence[int], dtype: torch.dtype) -> None:
        self._file = unnamed(existing(folder))
        finalize(self, self._file.close)
        self._numbers: np.dtype[Any] = torch.empty(0, dtype=dtype).numpy().dtype
        self._count, self._shape, self._added = count, tuple(shape), 0
        described = {"descr": np.lib.format.dtype_to_descr(self._numbers), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, {**described, "shape": (count, *shape)})
        self._start = self._file.tell()

    def add(self, part: Tensor) -> None:
        """Take more samples (n, …).

        Raises:
            OSError: if the disk is full.
        """
        self._file.write(part.contiguous().numpy().data)
        self._added += len(part)

    def tensor(self) -> Tensor:
        """Return all that was added (N, …), as it lies in the file; what is changed in it stays in memory."""
        self._file.flush()
        shape = (self._added, *self._shape)
        if not self._added:
            return torch.empty(shape, dtype=torch.from_numpy(np.empty(0, self._numbers)).dtype)
        return torch.from_numpy(np.memmap(self._file, self._numbers, "c", offset=self._start, shape=shape))

    def name(self, target: Path) -> bool:
        """Give the file a name, whole; return False where that cannot be done, or fewer samples came than said.

        Args:
            target: in a folder that exists; what was there is replaced.
        """
        if self._added != self._count:
            return False
        beside = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            folder = os.open(target.parent, os.O_RDONLY)
            try:  # a folder that is open makes Python follow the link to the file, as the system asks for
                os.link(f"/proc/self/fd/{self._file.fileno()}", beside.name, dst_dir_fd=folder)
            finally:
                os.close(folder)
        except (OSError, NotImplementedError):
            return False
        try:
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        return True


def gathered(inputs: Tensor, places: Tensor, rows: DecodedRows) -> Tensor:
    """Return the samples at some places (n,), of which few are copied at a time.

    Args:
        inputs: (N, …).
        places: (n,) int64.
        rows: empty, with room for them.
    """
    at_once = max(1, _AT_ONCE // max(1, inputs[:1].nbytes))
    for some in torch.split(places, at_once):
        rows.add(inputs[some])
    return rows.tensor()


def existing(folder: Path) -> Path:
    """Return a folder, or the next above it that exists."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.is_dir())


class NoRoomError(Exception):
    """A file for samples could not be written."""


@contextmanager
def told_if_full() -> Iterator[None]:
    """Say of a file that cannot be written that there is no room for it.

    Raises:
        NoRoomError: in the place of any error of the system.
    """
    try:
        yield
    except OSError as error:
        raise NoRoomError(error.strerror or str(error)) from error


def scratch_folder(home: Path | None) -> Path:
    """Return the folder of files without a name: on the disk of the results, for others may be of memory.

    Args:
        home: of what is kept between runs; None where there is none.
    """
    return existing(Path(tempfile.gettempdir()) if home is None else home)


def unnamed(folder: Path) -> IO[bytes]:
    """Return a file without a name, which can be given one where the system and the disk know how."""
    if flag := getattr(os, "O_TMPFILE", 0):
        with suppress(OSError):  # not every disk can
            return os.fdopen(os.open(folder, flag | os.O_RDWR, 0o666), "w+b")
    return tempfile.TemporaryFile(dir=folder)
