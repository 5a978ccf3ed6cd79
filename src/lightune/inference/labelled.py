"""New samples whose targets are known, from files: what a run is measured on beside its own data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightune.data.columns import NA_VALUES, decide, parse_numbers
from lightune.data.file_lists import list_files
from lightune.data.image_files import IMAGE_SUFFIXES
from lightune.data.sound_files import SOUND_SUFFIXES
from lightune.data.table_files import rows_like
from lightune.inference.file_input import FileInput
from lightune.inference.predictor import input_of
from lightune.inference.table_input import Tally

__all__ = ["Labelled", "read_labelled"]

_SHOWN = 5


@dataclass(frozen=True)
class Labelled:
    """Samples with their targets.

    Args:
        raw: (N, …) as the preparation of a network takes them.
        targets: (N,) int64 classes, or (N, 1) float32 values.
        rows: (N,) numbers of the rows in their files, from 0; of pictures and sounds, in their list.
        files: the file that each sample is from; empty where one table holds all.
        remarks: what a person should know.
    """

    raw: Tensor
    targets: Tensor
    rows: Sequence[int]
    files: Sequence[str]
    remarks: Sequence[str]


def read_labelled(
    paths: Sequence[Path],
    described: Mapping[str, Any],
    *,
    labels: Path | None = None,
    pattern: str | None = None,
    skip_unreadable: bool = False,
) -> Labelled:
    """Read samples and their targets.

    Args:
        paths: tables with the column of the target; or folders of pictures or sounds, with a folder a class.
        described: what a checkpoint holds of the samples.
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
    parts = []
    for path in paths:
        if isinstance(reader, FileInput):
            parts.append(_of_folder(reader, path, schema, labels=labels, pattern=pattern, skip=skip_unreadable))
        else:
            parts.append(_of_table(reader, path, schema, several=len(paths) > 1))
    return Labelled(
        torch.cat([part.raw for part in parts]),
        torch.cat([part.targets for part in parts]),
        [row for part in parts for row in part.rows],
        [file for part in parts for file in part.files],
        [remark for part in parts for remark in part.remarks],
    )


def _of_table(reader: Any, path: Path, schema: Mapping[str, Any], *, several: bool) -> Labelled:
    tally, target = Tally(), str(schema["target"])
    rows = rows_like(path, schema)
    header = next(rows)
    if target not in header:
        raise ValueError(f"{path} has no column {target!r}, which the run predicts; it has {', '.join(header)}")
    place = header.index(target)
    cells = [row[place].strip() for row in rows]
    absent = {cell for cell in set(cells) if cell in schema.get("na_values", NA_VALUES)}
    kept = [row for row, cell in enumerate(cells) if cell not in absent]
    if not kept:
        raise ValueError(f"{path} has no row with a {target}")
    targets = _targets([cells[row] for row in kept], schema, path)
    raw = torch.cat([part for _, part in reader.chunks(path, tally)])[torch.tensor(kept)]
    remarks = [f"{path}: {line}" for line in tally.lines()]
    if len(kept) < len(cells):
        without = len(cells) - len(kept)
        are = "rows" if without > 1 else "row", "are" if without > 1 else "is"
        remarks.append(f"{path}: {without:,} {are[0]} without a {target} {are[1]} left out")
    return Labelled(raw, targets, kept, [str(path)] * len(kept) if several else [], remarks)


def _targets(cells: Sequence[str], schema: Mapping[str, Any], path: Path) -> Tensor:
    target = str(schema["target"])
    if "classes" not in schema:
        column = decide(target, cells, na_values=(), decimal="auto", kind="numeric")
        return torch.from_numpy(parse_numbers(column, cells, ())[0]).float().unsqueeze(1)
    number = {name: place for place, name in enumerate(schema["classes"])}
    meant = dict(_meant(set(cells), number))
    if unknown := sorted(cell for cell in set(cells) if cell not in meant):
        shown = ", ".join(map(repr, unknown[:_SHOWN])) + (", …" if len(unknown) > _SHOWN else "")
        rule = f"{target} has classes that the training had not: {shown} (it had {', '.join(number)})"
        raise ValueError(f"{path}: {rule}")
    return torch.tensor([meant[cell] for cell in cells])


def _meant(cells: set[str], number: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield the class of each cell that names one: as it is written, or as a number of the same value."""
    values = {float(name): place for name, place in number.items() if re.fullmatch(r"-?\d+(\.\d+)?", name)}
    for cell in cells:
        if cell in number:
            yield cell, number[cell]
        elif len(values) == len(number) and re.fullmatch(r"-?\d+(\.\d+)?", cell) and float(cell) in values:
            yield cell, values[float(cell)]


def _of_folder(
    reader: FileInput,
    path: Path,
    schema: Mapping[str, Any],
    *,
    labels: Path | None,
    pattern: str | None,
    skip: bool,
) -> Labelled:
    suffixes = IMAGE_SUFFIXES if schema["files"]["kind"] == "image" else SOUND_SUFFIXES
    known = list(schema.get("classes", ()))
    found = list_files(
        path,
        suffixes,
        classes=known or None,
        labels=labels,
        pattern=None if labels else pattern,
        values=not known,
    )
    tally, raws, files, targets = Tally(), [], [], []
    for file in found.files:
        for names, raw in reader.chunks(file.path, tally, skip=skip):
            raws.append(raw)
            files += names
            targets.append(known.index(file.label) if known else [file.value])
    if not raws:
        raise ValueError(f"{path} has no file that can be read")
    told = [f"{path}: {remark} ({subject})" for subject, remark in found.report if subject == "left out"]
    rows = list(range(len(files)))
    kind = torch.int64 if known else torch.float32
    return Labelled(torch.cat(raws), torch.tensor(targets, dtype=kind), rows, files, [*tally.lines(), *told])
