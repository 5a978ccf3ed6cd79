"""Rows of a table, from a file or from Python, as the network's preparation takes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightune.data.cells import columns_of
from lightune.data.columns import MISSING, Column, numbers_among, raw_rows, used
from lightune.data.profile import Drift
from lightune.data.table_files import rows_like

__all__ = ["TableInput", "Tally"]

_ROWS = 8192  # read at a time
_LOOKED_AT = 1000


@dataclass
class Tally:
    """What was found in rows beside what the network was trained on.

    Args:
        rows: how many there were.
        unfit: column → cells that are no numbers, or hold categories that were not there in training.
        absent: columns that the network was trained on and that are not there; all their values count as missing.
        additional: columns that are there and of no use to the network.
        unreadable: files that were left out → why.
        drift: the comparison with what the training data looked like; None where that is not known.
        numeric: the columns that are numbers.
    """

    rows: int = 0
    unfit: dict[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    drift: Drift | None = None
    numeric: tuple[str, ...] = field(default=(), compare=False)

    def lines(self) -> Iterator[str]:
        """Yield what a person should know, a line each."""
        if self.absent:
            yield f"columns that are not there count as missing: {', '.join(self.absent)}"
        if self.additional:
            yield f"columns that the network does not know: {', '.join(self.additional)}"
        for name, count in self.unfit.items():
            if name in self.numeric:
                cells = "cells are no numbers and count" if count > 1 else "cell is no number and counts"
                yield f"{name}: {count:,} {cells} as missing"
            else:
                cells = "cells hold" if count > 1 else "cell holds"
                yield f"{name}: {count:,} {cells} a value that training had not"
        for name, why in self.unreadable.items():
            yield f"{name} is left out: {why}"
        if self.drift is not None and (line := self.drift.line(besides=self.absent)):
            yield line


class TableInput:
    """Turn rows into raw tensors by the schema that is kept with a network.

    Args:
        schema: `columns`, `na_values` and `target`, and perhaps `split`, `delimiter` and `encoding`, as a
            checkpoint holds them.
    """

    counted = "row"

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._columns = [Column.from_plain(plain) for plain in schema["columns"]]
        self._used = used(self._columns)
        self._na_values = tuple(schema["na_values"])
        self._na_numbers = numbers_among(self._na_values)
        self._schema = schema
        self._beside = {schema.get("target"), schema.get("split")}  # of the training's file, and of no use here

    def chunks(self, path: Path, tally: Tally) -> Iterator[tuple[list[str], Tensor]]:
        """Yield raw rows (n, F + C) float64 of a file with their numbers; columns are found by their names.

        Args:
            path: a delimited text file.
            tally: is added to.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if it is no table, or has none of the columns.
        """
        rows = rows_like(path, self._schema)
        header = next(rows)
        self._compare(header, tally)
        while len((columns := columns_of(islice(rows, _ROWS), len(header), looked_at=_LOOKED_AT))[0]):
            numbers = [str(tally.rows + place) for place in range(len(columns[0]))]
            yield numbers, self._raw(dict(zip(header, columns, strict=True)), tally)

    def raw(self, samples: Any, tally: Tally) -> Tensor:
        """Return raw rows (N, F + C) float64 of what Python holds.

        Args:
            samples: a data frame of pandas or polars, a mapping from column to values, a list of mappings, one a
                row, or an array (N, columns) of numbers in the order of the columns.
            tally: is added to.

        Raises:
            ValueError: if it is none of these, or has none of the columns.
        """
        table = self._table(samples)
        self._compare(list(table), tally)
        raw = np.empty((len(next(iter(table.values()))), len(self._used)))
        texts = {}
        for place, column in enumerate(self._used):
            values = table.get(column.name)
            if values is None:
                raw[:, place] = np.nan if column.kind == "numeric" else MISSING
            elif column.kind == "numeric" and np.asarray(values).dtype.kind in "fiub":
                numbers = np.asarray(values, dtype=np.float64)
                raw[:, place] = np.where(np.isin(numbers, self._na_numbers), np.nan, numbers)
            else:
                texts[column.name] = [_text(value, column) for value in values]
        for place, column in enumerate(self._used):
            if column.name in texts:
                own, unfit = raw_rows({column.name: texts[column.name]}, [column], ("", *self._na_values))
                raw[:, place] = own[:, 0]
                _add(tally.unfit, unfit)
        raw[~np.isfinite(raw)] = np.nan
        tally.rows += len(raw)
        return torch.from_numpy(raw)

    def _raw(self, table: Mapping[str, Sequence[str]], tally: Tally) -> Tensor:
        raw, unfit = raw_rows(table, self._columns, self._na_values)
        tally.rows += len(raw)
        _add(tally.unfit, unfit)
        return torch.from_numpy(raw)

    def _compare(self, names: Sequence[str], tally: Tally) -> None:
        wanted = [column.name for column in self._used]
        if not set(names) & set(wanted):
            raise ValueError(f"has none of the columns of the training ({', '.join(wanted)}): {', '.join(names)}")
        known = {column.name for column in self._columns} | self._beside
        tally.numeric = tuple(column.name for column in self._used if column.kind == "numeric")
        tally.absent = tuple(name for name in wanted if name not in names)
        tally.additional = tuple(name for name in names if name not in known)

    def _table(self, samples: Any) -> Mapping[str, Any]:
        if isinstance(samples, Mapping):
            return samples
        if hasattr(samples, "columns"):
            return {str(name): samples[name].to_numpy() for name in samples.columns}
        if isinstance(samples, Sequence) and samples and all(isinstance(row, Mapping) for row in samples):
            names = dict.fromkeys(name for row in samples for name in row)
            return {name: [row.get(name) for row in samples] for name in names}
        values: NDArray[Any] = np.asarray(samples)
        wanted = [column.name for column in self._columns if column.kind != "ignored"]
        if values.ndim != 2 or values.shape[1] != len(wanted) or values.dtype.kind not in "fiub":
            given = f"{type(samples).__name__} of shape {values.shape}"
            rule = (
                f"must be a data frame, a mapping of columns, or numbers (N, {len(wanted)}): {', '.join(wanted)}"
            )
            raise ValueError(f"samples {rule}; got {given}")
        return {name: values[:, place] for place, name in enumerate(wanted)}


def _text(value: Any, column: Column) -> str:
    """Return a value as a file would have it; a whole number too that a missing one beside it made a float."""
    if value is None or type(value).__name__ == "NAType" or value != value:  # pandas' NA compares to nothing
        return ""
    text = str(value)
    if isinstance(value, float) and value.is_integer() and text not in column.categories:
        return str(int(value))
    return text


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
