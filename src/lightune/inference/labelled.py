"""New samples whose targets are known, from files: what a run is measured on beside its own data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.data.cells import Cells, columns_of
from lightune.data.columns import NA_VALUES, decide, parse_numbers
from lightune.data.file_lists import FileList, list_files
from lightune.data.image_files import IMAGE_SUFFIXES
from lightune.data.sound_files import SOUND_SUFFIXES
from lightune.data.table_files import rows_like
from lightune.inference.file_input import FileInput
from lightune.inference.predictor import input_of
from lightune.inference.table_input import Tally

__all__ = ["Labelled", "read_labelled"]

_SHOWN = 5


class Labelled:
    """Samples with their targets, which are read anew, some at a time, by each iteration.

    Iterating yields samples (n, …), as the preparation of a network takes them, and targets (n,) int64 classes, or
    (n, 1) float32 values.

    Args:
        sources: what is read, one behind the other.
        batch_size: how many samples are given out at a time at most, > 0.

    Attributes:
        rows: (N,) numbers of the rows in their files, from 0; of pictures and sounds, in their list.
        files: the file that each sample is from; empty where one table holds all.
        remarks: what a person should know.
        All of them are known once everything has been read.
    """

    def __init__(self, sources: "Sequence[_Table | _Folder]", batch_size: int) -> None:
        self._sources, self._batch_size = sources, batch_size
        self.rows: Sequence[int] | NDArray[np.int64] = ()
        self.files: Sequence[str] = ()
        self.remarks: Sequence[str] = ()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Read.

        Raises:
            OSError: if a file cannot be read.
            ValueError: if a file cannot be read as what the run was trained on.
        """
        remarks: list[str] = []
        for raw, targets in chain.from_iterable(source.read(remarks) for source in self._sources):
            parts = (torch.split(each, self._batch_size) for each in (raw, targets))
            yield from zip(*parts, strict=True)
        self.rows = np.concatenate([source.rows for source in self._sources])
        self.files = [file for source in self._sources for file in source.files]
        self.remarks = remarks


def read_labelled(
    paths: Sequence[Path],
    described: Mapping[str, Any],
    *,
    batch_size: int,
    labels: Path | None = None,
    pattern: str | None = None,
    skip_unreadable: bool = False,
) -> Labelled:
    """Read targets, and make ready to read samples.

    Args:
        paths: tables with the column of the target; or folders of pictures or sounds, with a folder a class.
        described: what a checkpoint holds of the samples.
        batch_size: how many samples are given out at a time at most, > 0.
        labels: for pictures and sounds: a table with the columns `path` and `target`.
        pattern: for sounds: a regular expression with `(?P<label>…)` that says the class of a file.
        skip_unreadable: whether a picture or sound that cannot be decoded is left out.

    Raises:
        ConfigError: if a folder has no files of the classes.
        OSError: if a file cannot be read.
        ValueError: if a file cannot be read as what the run was trained on, or has no targets.
    """
    schema: Mapping[str, Any] = described["samples"]
    reader = input_of(schema)
    if reader is None:
        raise ValueError("belongs to no run that reads files: it was trained on data that name no columns")
    if isinstance(reader, FileInput):
        found = [_listed(path, schema, labels, pattern) for path in paths]
        folders = zip(paths, found, strict=True)
        return Labelled(
            [_Folder(reader, path, each, schema, skip=skip_unreadable) for path, each in folders], batch_size
        )
    several = len(paths) > 1
    return Labelled([_Table(reader, path, schema, several=several) for path in paths], batch_size)


class _Table:
    """A table with the column of the target; rows without one are left out."""

    def __init__(self, reader: Any, path: Path, schema: Mapping[str, Any], *, several: bool) -> None:
        self._reader, self._path = reader, path
        self._target = target = str(schema["target"])
        rows = rows_like(path, schema)
        header = next(rows)
        if target not in header:
            raise ValueError(
                f"{path} has no column {target!r}, which the run predicts; it has {', '.join(header)}"
            )
        place = header.index(target)
        (cells,) = columns_of(([row[place]] for row in rows), 1)
        has_target = cells.spread(~cells.among(schema.get("na_values", NA_VALUES)))
        self.rows = np.flatnonzero(has_target)
        self._without = len(cells) - len(self.rows)
        if not len(self.rows):
            raise ValueError(f"{path} has no row with a {target}")
        self._targets = _targets(cells.only(self.rows) if self._without else cells, schema, path)
        self.files = [str(path)] * len(self.rows) if several else []

    def read(self, remarks: list[str]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield samples and targets, and add remarks."""
        tally, first = Tally(), 0
        for _, raw in self._reader.chunks(self._path, tally):
            last = tally.rows
            kept = slice(*np.searchsorted(self.rows, (first, last)).tolist())
            if len(chosen := self.rows[kept] - first):
                yield raw[torch.from_numpy(chosen)], self._targets[kept]
            first = last
        remarks += [f"{self._path}: {line}" for line in tally.lines()]
        if self._without:
            are = ("rows", "are") if self._without > 1 else ("row", "is")
            line = f"{self._without:,} {are[0]} without a {self._target} {are[1]} left out"
            remarks.append(f"{self._path}: {line}")


class _Folder:
    """A folder of files of known classes."""

    def __init__(
        self, reader: FileInput, path: Path, found: FileList, schema: Mapping[str, Any], *, skip: bool
    ) -> None:
        self._reader, self._path, self._found, self._skip = reader, path, found, skip
        number = {name: place for place, name in enumerate(schema.get("classes", ()))}
        self._dtype = torch.int64 if number else torch.float32
        self._targets = {str(file.path): number[file.label] if number else [file.value] for file in found.files}
        self.files: list[str] = []

    @property
    def rows(self) -> NDArray[np.int64]:
        """Numbers of the files that were read."""
        return np.arange(len(self.files))

    def read(self, remarks: list[str]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield samples and targets, and add remarks."""
        tally, self.files = Tally(), []
        paths = [file.path for file in self._found.files]
        for names, raw in self._reader.of_files(paths, tally, skip=self._skip):
            self.files += names
            yield raw, torch.tensor([self._targets[name] for name in names], dtype=self._dtype)
        if not self.files:
            raise ValueError(f"{self._path} has no file that can be read")
        told = [(remark, subject) for subject, remark in self._found.report if subject == "left out"]
        remarks += [*tally.lines(), *(f"{self._path}: {remark} ({subject})" for remark, subject in told)]


def _listed(path: Path, schema: Mapping[str, Any], labels: Path | None, pattern: str | None) -> FileList:
    suffixes = IMAGE_SUFFIXES if schema["files"]["kind"] == "image" else SOUND_SUFFIXES
    known = list(schema.get("classes", ()))
    return list_files(
        path,
        suffixes,
        classes=known or None,
        labels=labels,
        pattern=None if labels else pattern,
        values=not known,
    )


def _targets(cells: Cells, schema: Mapping[str, Any], path: Path) -> Tensor:
    target = str(schema["target"])
    if "classes" not in schema:
        column = decide(target, cells, na_values=(), decimal="auto", kind="numeric")
        return torch.from_numpy(parse_numbers(column, cells, ())[0]).float().unsqueeze(1)
    number = {name: place for place, name in enumerate(schema["classes"])}
    different = set(cells.bare)
    meant = dict(_meant(different, number))
    if unknown := sorted(cell for cell in different if cell not in meant):
        shown = ", ".join(map(repr, unknown[:_SHOWN])) + (", …" if len(unknown) > _SHOWN else "")
        rule = f"{target} has classes that the training had not: {shown} (it had {', '.join(number)})"
        raise ValueError(f"{path}: {rule}")
    return torch.from_numpy(cells.spread(np.array([meant[cell] for cell in cells.bare], dtype=np.int64)))


def _meant(cells: set[str], number: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield the class of each cell that names one: as it is written, or as a number of the same value."""
    values = {float(name): place for name, place in number.items() if re.fullmatch(r"-?\d+(\.\d+)?", name)}
    for cell in cells:
        if cell in number:
            yield cell, number[cell]
        elif len(values) == len(number) and re.fullmatch(r"-?\d+(\.\d+)?", cell) and float(cell) in values:
            yield cell, values[float(cell)]
