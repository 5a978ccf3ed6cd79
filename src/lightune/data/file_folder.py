"""Files in a folder: every one is decoded once, before training, and lies ready as a tensor."""

import os
import tempfile
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lightune.data.class_names import PosLabel, require_no_positive, with_positive_last
from lightune.data.decoded_cache import DecodedCache
from lightune.data.decoded_rows import (
    DecodedRows,
    FileRows,
    MemoryRows,
    NoRoomError,
    gathered,
    scratch_folder,
    told_if_full,
)
from lightune.data.file_lists import FileList, list_files
from lightune.data.group_column import numbered
from lightune.data.memory import InMemoryData
from lightune.data.placement import place
from lightune.data.row_digests import Duplicates, handle_copies
from lightune.data.samples import Samples
from lightune.errors import ConfigError, Problem
from lightune.wording import counted

__all__ = ["SAMPLE_LABELS", "FileFolder", "OnUnreadable"]

OnUnreadable = Literal["refuse", "skip"]

SAMPLE_LABELS = "labels.csv"
"""In the folder of a sample that comes with lightune: the table of its values."""

_SHOWN = 5
_BYTES_AT_ONCE = 2**24  # of decoded files


class FileFolder(InMemoryData):
    """Base of data that are files in a folder: a subclass says how one is decoded.

    Args:
        path: the folder; None for the sample that comes with lightune.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` and `target`, and perhaps `split` and `group`; None for a folder a
            class, or a folder a value that is its name.
        on_unreadable: whether a file that cannot be decoded is refused, or left out and told.
        duplicates: what is done with files that have equal content, as of `CSV`.
        cache: whether what was decoded is kept below the output root.
        output_root: the folder; None to keep nothing.
        served: arguments of `InMemoryData`.
    """

    suffixes: frozenset[str]
    instead: str  # the option of data for targets of the other kind
    pattern: str | None = None
    pos_label: PosLabel = None
    decoded_dtype = torch.float32  # of decoded files

    def __init__(
        self,
        path: str | None,
        classes: list[str] | None,
        labels: str | None,
        on_unreadable: OnUnreadable,
        duplicates: Duplicates,
        cache: bool,
        output_root: str | None,
        **served: Any,
    ) -> None:
        super().__init__(**served)
        self._home = None if output_root is None else Path(output_root) / "cache"
        self._cache = DecodedCache(self._home) if cache and self._home is not None else None
        self.path, self.classes, self.labels = path, classes, labels
        self.on_unreadable, self.duplicates = on_unreadable, duplicates

    @abstractmethod
    def read_files(self, paths: Sequence[Path]) -> tuple[Tensor, dict[int, str]]:
        """Decode files; return all of them (N, …), and place → why it cannot be decoded."""

    @property
    def decoded_together(self) -> int:
        """How many files are decoded at a time, or a multiple of it, > 0."""
        return 16

    @property
    @abstractmethod
    def decoded_shape(self) -> tuple[int, ...]:
        """Shape of a decoded file."""

    @abstractmethod
    def read_original(self, path: Path) -> Tensor:
        """Decode a file; return what is in it before it is brought to the form of all."""

    @abstractmethod
    def schema_of_files(self) -> Mapping[str, Any]:
        """Return what another file is decoded by, as texts and numbers."""

    @abstractmethod
    def unpack_sample(self, folder: Path) -> None:
        """Write the files of the sample that comes with lightune into a folder, and their values as a manifest."""

    def load(self) -> Samples:
        """Decode every file.

        Raises:
            ConfigError: if there are no files or no classes, or a file cannot be decoded.
        """
        with self._root() as root:
            return self._load(root)

    def originals(self, count: int) -> list[Tensor]:
        """Decode some files, evenly spaced among all, as far as they can be; return what is in each.

        Args:
            count: how many at most, > 0.

        Raises:
            ConfigError: if there are no files or no classes.
        """
        read = []
        with self._root() as root, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as when all are read
            listed = self._list(root).files
            for place in np.unique(np.linspace(0, len(listed) - 1, count).round().astype(int)):
                with suppress(OSError, ValueError):
                    read.append(self.read_original(listed[place].path))
        return read

    @contextmanager
    def _root(self) -> Iterator[Path]:
        if self.path is not None:
            yield Path(self.path).expanduser()
            return
        with tempfile.TemporaryDirectory() as folder:
            self.unpack_sample(Path(folder))
            yield Path(folder)

    def _list(self, root: Path) -> FileList:
        values = self.problem == "regression"
        labels = None if self.labels is None else Path(self.labels).expanduser()
        if self.path is None and labels is None and values:
            labels = root / SAMPLE_LABELS
        found = list_files(
            root,
            self.suffixes,
            classes=self.classes,
            labels=labels,
            pattern=self.pattern,
            values=values,
            instead=self.instead,
        )
        if not values:
            return replace(found, classes=tuple(with_positive_last(found.classes, self.pos_label)))
        require_no_positive(self.pos_label)
        if len({file.value for file in found.files}) == 1:
            key = "data.path" if labels is None else "data.labels"
            raise ConfigError([Problem(key, f"has one value only, {found.files[0].label}")])
        return found

    def _load(self, root: Path) -> Samples:
        found = self._list(root)
        paths = [file.path for file in found.files]
        in_file = self._lies_in_file(len(paths))
        try:
            inputs, unreadable = self._decode(paths, in_file=in_file)
            report = list(found.report)
            if unreadable:
                report.append(self._left_out(found, unreadable))
                found = found.only([place for place in range(len(paths)) if place not in unreadable])
            number = {name: place for place, name in enumerate(found.classes)}
            keep, copies, remarks = handle_copies(
                inputs,
                self.duplicates,
                counted="file",
                labels=np.array([number[file.label] for file in found.files]) if number else None,
                called=lambda place: f"{self._called(found.files[place].path)} ({found.files[place].label})",
            )
            report += remarks
            if len(keep) < len(found.files):
                inputs = gathered(inputs, torch.from_numpy(keep), self._room(len(keep), in_file=in_file))
                found = found.only(keep.tolist())
        except NoRoomError as error:
            size = f"{len(paths):,} decoded files of {self._bytes_of_one:,} bytes"
            rule = f"puts {size} into a file in {self._scratch}, which cannot be written ({error})"
            advice = "make room there, or choose another output_root"
            raise ConfigError([Problem("data.placement", f"stream {rule}; {advice}")]) from error
        return self._samples_of(found, inputs, copies, report, in_file=in_file)

    def _left_out(self, found: FileList, unreadable: Mapping[int, str]) -> tuple[str, str]:
        """Return a remark on files that cannot be decoded.

        Raises:
            ConfigError: if they are not to be left out, or no other is there.
        """
        whole = len(unreadable) == len(found.files)
        shown = [f"{found.files[place].path}: {why}" for place, why in list(unreadable.items())[:_SHOWN]]
        more = f"; and {len(unreadable) - _SHOWN:,} more" if len(unreadable) > _SHOWN else ""
        if self.on_unreadable == "refuse" or whole:
            count = counted(len(unreadable), "file")
            advice = "" if whole else "; mend or remove them, or leave them out by data.on_unreadable=skip"
            text = f"{count} cannot be read ({'; '.join(shown)}{more}){advice}"
            raise ConfigError([Problem("data.path", text)])
        return "unreadable", f"{len(unreadable):,} of these files left out: {'; '.join(shown)}{more}"

    def _called(self, path: Path) -> Path:
        """Return the path that a person knows a file by: those of the sample are gone once they are read."""
        return Path(*path.parts[-2:]) if self.path is None else path

    @property
    def _bytes_of_one(self) -> int:
        return prod(self.decoded_shape) * self.decoded_dtype.itemsize

    @property
    def _scratch(self) -> Path:
        return scratch_folder(self._home)

    def _lies_in_file(self, count: int) -> bool:
        """Whether decoded files lie in a file, not in memory: where they are streamed."""
        scaled = count * prod(self.decoded_shape) * torch.float32.itemsize
        return place(self.placement, scaled, torch.device("cpu"))[0] == "stream"

    def _room(self, count: int, *, in_file: bool) -> DecodedRows:
        how = count, self.decoded_shape, self.decoded_dtype
        if not in_file:
            return MemoryRows(*how)
        with told_if_full():
            return FileRows(self._scratch, *how)

    def _decode(self, paths: Sequence[Path], *, in_file: bool) -> tuple[Tensor, dict[int, str]]:
        """Return what files are decoded to (N, …), and place → why one cannot be, which has no sample.

        Files that were all decoded before are not decoded again.
        """
        cache = None if self.path is None else self._cache
        form = self.schema_of_files()
        if cache is not None:
            with suppress(OSError):  # a file that cannot be read is told when it is decoded
                kept = cache.find(paths, form, in_file=in_file)
                if kept is not None:
                    return kept, {}
        rows = self._room(len(paths), in_file=in_file)
        unreadable = self._read_into(rows, paths)
        with told_if_full():
            inputs = rows.tensor()
        if cache is not None and not unreadable:
            cache.keep(paths, form, inputs, rows if isinstance(rows, FileRows) else None)
        return inputs, unreadable

    def _read_into(self, rows: DecodedRows, paths: Sequence[Path]) -> dict[int, str]:
        """Decode files, some at a time; return place → why one cannot be decoded."""
        together = self.decoded_together
        at_once = max(1, _BYTES_AT_ONCE // (self._bytes_of_one * together)) * together
        unreadable: dict[int, str] = {}
        for first in range(0, len(paths), at_once):
            part, bad = self.read_files(paths[first : first + at_once])
            if bad:
                part = part[[place for place in range(len(part)) if place not in bad]]
                unreadable.update({first + place: why for place, why in bad.items()})
            with told_if_full():
                rows.add(part)
        return unreadable

    def settled(self) -> None:
        """Write what was decoded, where it is to be kept."""
        if self._cache is not None:
            self._cache.store()

    def _fill(self, tensors: Tensor, read: Callable[[int], Tensor]) -> dict[int, str]:
        """Read each place of a tensor in threads; return place → why it cannot be read."""

        def fill(place: int) -> str:
            try:
                tensors[place] = read(place)
            except (OSError, ValueError) as error:
                return _reason(error)
            return ""

        threads = max(1, min(self.num_workers or 1, os.cpu_count() or 1))
        with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
            warnings.simplefilter("ignore")  # of what stands beside a picture or a sound in its file
            told = pool.map(fill, range(len(tensors)), chunksize=16)
            return {place: why for place, why in enumerate(told) if why}

    def _samples_of(
        self, found: FileList, inputs: Tensor, copies: Any, report: list[tuple[str, str]], *, in_file: bool
    ) -> Samples:
        groups = [file.group for file in found.files]
        if found.classes:
            number = {name: place for place, name in enumerate(found.classes)}
            targets = torch.tensor([number[file.label] for file in found.files])
            schema: dict[str, Any] = {"classes": list(found.classes), "target": "class"}
        else:
            targets = torch.tensor([[file.value] for file in found.files], dtype=torch.float64)
            schema = {"target": "target"}
        return Samples(
            inputs,
            targets,
            num_classes=len(found.classes),
            official_test=found.count("test"),
            official_val=found.count("val"),
            groups={"group": numbered(groups)} if any(groups) else {},
            copies=copies,
            schema={**schema, "files": dict(self.schema_of_files())},
            report=report,
            files=[str(self._called(file.path)) for file in found.files],
            in_file=in_file,
        )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
