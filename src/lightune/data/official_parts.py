"""The official parts of data that come divided: what they are called, and which samples each has."""

from collections.abc import Iterator, Sequence

import numpy as np

from lightune.errors import ConfigError, Problem
from lightune.validation import Indices

__all__ = ["PARTS", "by_parts", "part_named", "parts_in_column", "untrained"]

PARTS = ("train", "val", "test")

_WORDS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_SHOWN = 5


def part_named(word: str) -> str | None:
    """Return the part that a word stands for: `train`, `val`, `test`, or None."""
    return _WORDS.get(word.strip().lower())


def parts_in_column(name: str, cells: Sequence[str]) -> Indices:
    """Return the place in `PARTS` (N,) of the part that each cell of a column names.

    Args:
        name: of the column.
        cells: its text, row by row.

    Raises:
        ConfigError: with the cells that name no part.
    """
    parts = {cell: part_named(cell) for cell in set(cells)}
    if unknown := sorted(cell for cell, part in parts.items() if part is None):
        rule = f"must hold train, val or test, got {', '.join(map(repr, unknown[:_SHOWN]))}"
        raise ConfigError([Problem("data.split", f"{name} {rule}")])
    return np.array([PARTS.index(str(parts[cell])) for cell in cells], dtype=np.int64)


def by_parts(rows: Indices, part: Indices | None) -> tuple[Indices, int, int]:
    """Return rows in the order of their parts, and how many are of the validation and of the test part.

    Args:
        rows: (n,) row numbers.
        part: (N,) place in `PARTS` of each row that there is; None where no part is official.
    """
    if part is None:
        return rows, 0, 0
    _, val, test = np.bincount(part[rows], minlength=len(PARTS)).tolist()
    return rows[np.argsort(part[rows], kind="stable")], val, test


def untrained(
    labels: Sequence[int], classes: Sequence[str], held_out: int, *, counted: str = "row"
) -> Iterator[tuple[str, str]]:
    """Yield a remark on classes that official parts hold and the training part does not.

    Args:
        labels: (N,) class of each row, in the order of `by_parts`.
        classes: names of all; none for values.
        held_out: how many rows, standing last, are of the validation and the test part.
        counted: what the remark calls a row.
    """
    if not classes or not held_out:
        return
    trained = set(labels[: len(labels) - held_out])
    if unseen := [name for place, name in enumerate(classes) if place not in trained]:
        more = f" and {len(unseen) - _SHOWN:,} more" if len(unseen) > _SHOWN else ""
        yield "classes", f"no {counted} to train on is of {', '.join(unseen[:_SHOWN])}{more}"
