"""Tables of one's own: a delimited text file, or a folder with one a part."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightune.data.cells import Cells
from lightune.data.class_names import (
    PosLabel,
    encoded_twice,
    require_classes,
    require_no_positive,
    twins_among,
    with_positive_last,
)
from lightune.data.columns import NA_VALUES, Column, Decimal, Kind, decide, parse_numbers, raw_rows, used
from lightune.data.decoded_rows import FileRows, NoRoomError, gathered, scratch_folder, told_if_full
from lightune.data.delimited import Delimiter
from lightune.data.group_column import group_problems, groups_in_column
from lightune.data.instants import instants
from lightune.data.leaks import looked_at, telling_columns
from lightune.data.memory import BatchSize, InMemoryData
from lightune.data.official_parts import by_parts, parts_in_column, untrained
from lightune.data.placement import Placement
from lightune.data.preparation import Categories, Missing, TablePreparation, TableScaling
from lightune.data.row_digests import Duplicates, handle_copies
from lightune.data.samples import Samples
from lightune.data.scaling import Scaling
from lightune.data.stored_cells import StoredTable
from lightune.data.table_parts import (
    Table,
    files_of_rows,
    joined,
    lies_in_file,
    only,
    parts_of_files,
    read_parts,
    row_count,
    table_files_at,
)
from lightune.errors import ConfigError, Problem
from lightune.ranges import NonNegativeInt, PositiveInt
from lightune.validation import Indices
from lightune.wording import counted

__all__ = ["CSV", "CSVRegression"]

_SHOWN = 5
_FEWEST = 2  # rows that can be divided
_LARGEST = float(torch.finfo(torch.float32).max)


class CSV(InMemoryData):
    """A table whose target is a class. What each column is, is decided as `lightune.data.columns` says.

    Args:
        path: a .csv or .tsv file, .gz or not, with `lightune[tables]` .parquet or .xlsx, or a folder with files
            called `train`, `test` and perhaps `val`; None for the sample that comes with lightune.
        target: column to predict.
        numeric: columns that are numbers; `auto` decides by their cells.
        categorical: columns that are categories; `auto` decides by their cells.
        ignore: columns that are left out.
        missing: what stands in for a missing number; `drop` leaves its row out.
        missing_indicator: whether the network is told which numbers were missing.
        na_values: cells that stand for a missing value.
        categories: `onehot` makes a column of each category, `embedding` lets the network learn vectors.
        min_frequency: training rows that a category must have to be known, > 0.
        duplicates: `together` keeps rows with equal inputs on one side of each split, `drop` keeps the first of
            them, `keep` divides them like others.
        split: column that says which part a row belongs to: `train`, `val` or `test`.
        group_column: column whose equal values are a group that a split may keep together; it is no input, unless
            `numeric` or `categorical` names it.
        decimal: what stands before decimals; `auto` tries the point, then the comma.
        delimiter: what stands between two cells; `auto` finds out.
        encoding: of the file, where no mark at its beginning says so.
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        scaling: how numbers are scaled, with statistics of the training part only.
        target_scaling: how the target of regression is scaled; losses see the scaled target, metrics the real one.
        placement: where samples lie: `device`, `host`, `stream`; `auto` looks at the memory that is free.
        num_workers: processes that prepare batches of a stream, >= 0.
        pos_label: of two classes the positive one, which precision, recall and the like are of; None for the last.
        output_root: the folder on whose disk a table lies that memory does not hold; None for that of temporary
            files.
    """

    kind = "table"
    problem = "classification"
    raw_dtype = torch.float64
    sample = "penguins.csv"

    def __init__(
        self,
        path: str | None = None,
        target: str | None = None,
        numeric: Literal["auto"] | list[str] = "auto",
        categorical: Literal["auto"] | list[str] = "auto",
        ignore: list[str] | None = None,
        missing: Missing = "median",
        missing_indicator: bool = True,
        na_values: list[str] | None = None,
        categories: Categories = "onehot",
        min_frequency: PositiveInt = 1,
        duplicates: Duplicates = "together",
        split: str | None = None,
        decimal: Decimal = "auto",
        delimiter: Delimiter = "auto",
        encoding: str = "utf-8",
        batch_size: BatchSize = 64,
        scaling: TableScaling = "standard",
        target_scaling: Scaling = "standard",
        placement: Placement = "auto",
        num_workers: NonNegativeInt = 2,
        group_column: str | None = None,
        pos_label: PosLabel = None,
        output_root: str | None = None,
    ) -> None:
        served = {"target_scaling": target_scaling, "placement": placement, "num_workers": num_workers}
        super().__init__(batch_size=batch_size, **served)  # type: ignore[arg-type]
        self.path, self.target, self.ignore = path, target, tuple(ignore or ())
        self.numeric, self.categorical = numeric, categorical
        self.missing, self.missing_indicator = missing, missing_indicator
        self.na_values = NA_VALUES if na_values is None else tuple(str(value) for value in na_values)
        self.categories, self.min_frequency = categories, min_frequency
        self.duplicates, self.split, self.group_column = duplicates, split, group_column
        self.decimal, self.delimiter, self.encoding = decimal, delimiter, encoding
        self.table_scaling, self.pos_label = scaling, pos_label
        self._home = None if output_root is None else Path(output_root)

    def load(self) -> Samples:
        """Read the table; return raw rows (N, F + C) float64 as `TablePreparation` takes them.

        Raises:
            FileNotFoundError: if there is no such file.
            ConfigError: with every key that does not fit the file.
            ValueError: if the file cannot be read as a table; the message names the line.
        """
        source = self._source()
        try:
            return self._load(source, in_file=lies_in_file(source.values(), self.placement))
        except NoRoomError as error:
            rule = f"puts what does not fit in memory into a file in {scratch_folder(self._home)}"
            advice = "make room there, or choose another output_root"
            raise ConfigError(
                [Problem("data.placement", f"{rule}, which cannot be written ({error}); {advice}")]
            ) from error

    def _load(self, source: Mapping[str, Path], *, in_file: bool) -> Samples:
        scratch = scratch_folder(self._home) if in_file else None
        tables = read_parts(source, delimiter=self.delimiter, encoding=self.encoding, scratch=scratch)
        self._require_columns(tables)
        table, part = joined(tables), parts_of_files(tables)
        numbers = np.concatenate([np.arange(row_count(each)) for each in tables.values()])
        if self.split is not None:
            part = parts_in_column(self.split, table[self.split])
        rows = self._rows_with_target(table)
        if len(rows) < _FEWEST:
            rule = "has one row to learn from, which cannot be divided into parts to train, validate and test"
            raise ConfigError([Problem("data.path", f"{', '.join(map(str, source.values()))} {rule}")])
        report = [("rows", f"{len(rows):,}"), *self._left_out_rows(table, rows)]
        if len(rows) < row_count(table):
            table = only(table, rows)
            part = None if part is None else part[rows]
        columns = self._decide(table)
        raw, targets, target_schema, keep = self._tensors(table, columns)
        if not keep.all():
            report.append(
                (
                    "missing",
                    f"{counted(int((~keep).sum()), 'row')} of missing values left out, as data.missing says",
                )
            )
            part = None if part is None else part[keep]
        names = target_schema.get("classes", ())
        kept, copies, remarks = handle_copies(
            raw,
            self.duplicates,
            labels=targets.numpy() if names else None,
            called=lambda place: f"row {numbers[rows[keep][place]]} ({names[targets[place]]})",
        )
        report += remarks
        order, official_val, official_test = by_parts(kept, part)
        held_out = official_val + official_test
        report += untrained(targets[order].flatten().tolist(), names, held_out)
        groups = groups_in_column(self.group_column, table, self.na_values)
        report += _column_report(columns)
        read = rows[keep][order]  # places in the files
        inputs = self._in_order(raw, order, in_file=in_file)
        return Samples(
            inputs,
            targets[torch.from_numpy(order)],
            num_classes=len(names),
            official_test=official_test,
            official_val=official_val,
            groups={name: each[keep][order] for name, each in groups.items()},
            copies=None if copies is None else copies[order],
            may_be_missing=True,
            schema={
                "columns": [column.plain() for column in columns],
                "na_values": list(self.na_values),
                "target": self._target,
                "split": self.split,
                "delimiter": self.delimiter,
                "encoding": self.encoding,
                **target_schema,
            },
            report=report,
            rows=numbers[read],
            files=files_of_rows(read, [(str(source[name]), row_count(each)) for name, each in tables.items()]),
            in_file=in_file,
            times=self._times(table, columns, inputs, np.flatnonzero(keep)[order]),
        )

    def _in_order(self, raw: Tensor, order: Indices, *, in_file: bool) -> Tensor:
        """Return raw rows in the order of the samples."""
        if not in_file:
            return raw[torch.from_numpy(order)]
        if np.array_equal(order, np.arange(len(raw))):
            return raw
        with told_if_full():
            room = FileRows(scratch_folder(self._home), len(order), raw.shape[1:], raw.dtype)
            return gathered(raw, torch.from_numpy(order), room)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Length of a prepared row; of a row as read before the data are divided."""
        if isinstance(self._preparation, TablePreparation):
            return (self._preparation.width,)
        return tuple(self.samples.inputs.shape[1:])

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Numbers of codes of the categories that stand last in an input; none where they are one-hot."""
        prepared = self._preparation
        is_embedded = isinstance(prepared, TablePreparation) and not prepared.onehot
        return tuple(prepared.cardinalities) if is_embedded else ()  # type: ignore[union-attr, arg-type]

    def questions(self) -> list[tuple[str, str]]:
        """Return what columns predict the target nearly alone of training rows, and what groups are divided."""
        columns = used([Column.from_plain(plain) for plain in self.samples.schema["columns"]])
        rows, targets = self._parts["train"]
        few = torch.from_numpy(looked_at(len(rows)))
        telling = telling_columns(
            self.samples.inputs[rows[few]].numpy(),
            targets[few].numpy(),
            [column.name for column in columns],
            numbers=sum(column.kind == "numeric" for column in columns),
            num_classes=self.num_classes,
        )
        measure = "AUC" if self.num_classes else "rank correlation"
        asked = [
            (
                "question",
                f"{each.name} predicts {self._target} nearly alone ({measure} {each.score:.2f}, the next column "
                f"{each.next:.2f}): is it known before {self._target} is? data.ignore leaves it out",
            )
            for each in telling
        ]
        return [*asked, *super().questions()]

    def fit_preparation(self, raw: Tensor) -> nn.Module:
        """Return a preparation that has learnt from training rows (N, F + C)."""
        return self._fitted(raw, None)

    def fit_preparation_at(self, inputs: Tensor, rows: Tensor) -> nn.Module:
        """Return the same of some rows (n,) of all (N, F + C): column by column, where they lie in a file."""
        return self._fitted(inputs, rows) if self.samples.in_file else super().fit_preparation_at(inputs, rows)

    def _fitted(self, raw: Tensor, rows: Tensor | None) -> TablePreparation:
        columns = [Column.from_plain(plain) for plain in self.samples.schema["columns"]]
        return TablePreparation.fit(
            raw,
            rows=rows,
            cardinalities=[len(column.categories) for column in columns if column.kind == "categorical"],
            missing=self.missing,
            missing_indicator=self.missing_indicator,
            scaling=self.table_scaling,
            categories=self.categories,
            min_frequency=self.min_frequency,
        )

    @property
    def _target(self) -> str:
        return self.target or _SAMPLE_TARGETS[self.sample]

    def _source(self) -> dict[str, Path]:
        """Return the files: part → file, `""` where one holds all."""
        if self.path is None:
            return {"": Path(str(files("lightune.data") / "files" / self.sample))}
        return table_files_at(Path(self.path).expanduser())

    def _require_columns(self, tables: Mapping[str, Table]) -> None:
        first = next(iter(tables.values()))
        there = f"the columns are {', '.join(first)}"
        problems = [
            Problem("data.path", f"the {part} file has other columns ({', '.join(sorted(differing))})")
            for part, table in tables.items()
            if (differing := set(first) ^ set(table))
        ]
        if self.path is not None and self.target is None:
            problems.append(Problem("data.target", f"must name the column to predict; {there}"))
        said = {"ignore": self.ignore, "numeric": _listed(self.numeric), "categorical": _listed(self.categorical)}
        single = {
            key: [name] for key, name in (("target", self.target), ("split", self.split)) if name is not None
        }
        problems += [
            Problem(f"data.{key}", f"there is no column {name!r}; {there}")
            for key, names in {**single, **said}.items()
            for name in names
            if name not in first
        ]
        problems += group_problems(self.group_column, first, {"target": self._target, "split": self.split})
        named = [name for names in (*single.values(), *said.values()) for name in names]
        problems += [
            Problem(
                "data", f"column {name!r} stands in two of {', '.join(single)}, ignore, numeric and categorical"
            )
            for name in sorted({name for name in named if named.count(name) > 1})
        ]
        if problems:
            raise ConfigError(problems)

    def _rows_with_target(self, table: Table) -> Indices:
        target = table[self._target]
        rows = np.flatnonzero(target.spread(~target.among(self.na_values)))
        if not len(rows):
            raise ConfigError([Problem("data.target", f"{self._target} is missing in every row")])
        return rows

    def _left_out_rows(self, table: Table, rows: Indices) -> Iterator[tuple[str, str]]:
        if without := row_count(table) - len(rows):
            row, are = ("rows", "are") if without > 1 else ("row", "is")
            yield "target", f"{without:,} {row} without a {self._target} {are} left out"

    def _decide(self, table: Table) -> list[Column]:
        grouping = () if self.group_column is None else (self.group_column,)
        said: dict[str, Kind] = dict.fromkeys((*self.ignore, *grouping), "ignored")
        said |= dict.fromkeys(_listed(self.numeric), "numeric")
        said |= dict.fromkeys(_listed(self.categorical), "categorical")
        columns, problems = [], []
        for name, cells in table.items():
            if name in (self._target, self.split):
                continue
            try:
                column = decide(name, cells, na_values=self.na_values, decimal=self.decimal, kind=said.get(name))
            except ValueError as error:
                is_said = name in said
                advice = "; add them to data.na_values" if is_said else ""
                problems.append(Problem("data.numeric" if is_said else "data.path", f"{error}{advice}"))
                continue
            if column.kind == "ignored" and name == self.group_column and name not in self.ignore:
                column = replace(column, note="keeps rows together, as validation.groups says")
            columns.append(column)
        if not problems and all(column.kind == "ignored" for column in columns):
            why = "; ".join(f"{column.name}: {column.note}" for column in columns[:_SHOWN]) or "there is no other"
            problems.append(Problem("data.path", f"no column is left to predict {self._target} from ({why})"))
        if problems:
            raise ConfigError(problems)
        return columns

    def _times(
        self, table: Table, columns: Sequence[Column], inputs: Tensor, chosen: Indices
    ) -> dict[str, Callable[[], NDArray[np.float64]]]:
        """Return what reads the time of each sample from a column: a number, or a date that is left out.

        Args:
            table: the rows that have a target.
            columns: what they are.
            inputs: (N, …) raw samples, whose numbers are read from here.
            chosen: (N,) the row of each sample in the table.
        """
        times: dict[str, Callable[[], NDArray[np.float64]]] = {}
        for number, column in enumerate(used(columns)):
            if column.kind == "numeric":
                times[column.name] = partial(_numbers_of, inputs, number)
        for column in columns:
            if column.kind == "ignored" and (column.name in self.ignore or column.note.startswith("holds dates")):
                source = table if isinstance(table, StoredTable) else {column.name: table[column.name]}
                times[column.name] = partial(_times_of, column.name, source, self.na_values, chosen)
        return times

    def _tensors(
        self, table: Table, columns: Sequence[Column]
    ) -> tuple[Tensor, Tensor, dict[str, Any], NDArray[np.bool_]]:
        targets, schema = self._targets(table[self._target])
        beyond: NDArray[np.bool_] = np.zeros(len(used(columns)), dtype=bool)
        kept = []
        if isinstance(table, StoredTable):
            with told_if_full():
                rows = FileRows(scratch_folder(self._home), table.rows, beyond.shape, torch.float64)
            for part in table.parts():
                raw = raw_rows(part, columns, self.na_values)[0]
                beyond |= _is_beyond(raw)
                kept.append(self._kept(raw, columns))
                with told_if_full():
                    rows.add(torch.from_numpy(raw[kept[-1]]))
            with told_if_full():
                inputs = rows.tensor()
        else:
            raw = raw_rows(table, columns, self.na_values)[0]
            beyond |= _is_beyond(raw)
            kept.append(self._kept(raw, columns))
            inputs = torch.from_numpy(raw[kept[0]])
        if beyond.any():
            names = ", ".join(used(columns)[place].name for place in np.nonzero(beyond)[0])
            rule = f"{names} has numbers beyond {_LARGEST:.1e}, which float32 cannot hold"
            raise ConfigError([Problem("data.path", f"{rule}; data.ignore leaves it out")])
        keep = np.concatenate(kept)
        if not keep.any():
            raise ConfigError([Problem("data.missing", "drop leaves no row: each has a missing value")])
        return inputs, targets[torch.from_numpy(keep)], schema, keep

    def _kept(self, raw: NDArray[np.float64], columns: Sequence[Column]) -> NDArray[np.bool_]:
        """Return whether each raw row (N, F + C) stays: all but those of missing values where they are dropped."""
        if self.missing != "drop":
            return np.ones(len(raw), dtype=bool)
        absent = np.isnan(raw)
        for number, column in enumerate(used(columns)):
            if column.kind == "categorical":
                absent[:, number] = raw[:, number] < 0
        return np.logical_not(absent.any(axis=1))

    def _targets(self, cells: Cells) -> tuple[Tensor, dict[str, Any]]:
        """Return classes (N,) int64 and their names, sorted: by value, where they are numbers."""
        column = decide(self._target, cells.texts, na_values=(), decimal=self.decimal)
        classes = sorted(set(cells.bare))
        same: Mapping[str, Any] = {name: name.casefold() for name in classes}
        if column.kind == "numeric":
            same = values = {name: float(name.replace(column.decimal, ".")) for name in classes}
            classes.sort(key=values.__getitem__)
        if len(classes) < 2:
            raise ConfigError([Problem("data.target", f"{self._target} has one class only, {classes[0]!r}")])
        if twins := twins_among({name: same[name] for name in classes}):
            rule = f"{self._target} has classes that are written in several ways: {twins}"
            raise ConfigError([Problem("data.target", f"{rule}; write them alike")])
        if rule := encoded_twice(classes):
            raise ConfigError([Problem("data.target", f"{self._target} {rule}")])
        require_classes(
            [name.replace(column.decimal, ".") for name in classes] if column.kind == "numeric" else classes,
            "data.target",
            subject=self._target,
            regression="csv_regression",
            whole=True,
        )
        classes = with_positive_last(classes, self.pos_label, subject=self._target)
        number = {name: place for place, name in enumerate(classes)}
        numbers = np.array([number[name] for name in cells.bare])
        return torch.from_numpy(cells.spread(numbers)), {"classes": classes}


class CSVRegression(CSV):
    """A table whose target is a number; the arguments are those of `CSV`."""

    problem = "regression"
    sample = "cars.csv"

    def _targets(self, cells: Cells) -> tuple[Tensor, dict[str, Any]]:
        """Return values (N, 1) float32."""
        require_no_positive(self.pos_label)
        try:
            column = decide(self._target, cells, na_values=(), decimal=self.decimal)
        except ValueError as error:
            raise ConfigError([Problem("data.target", str(error))]) from error
        if column.kind != "numeric":
            known = sorted(set(cells))[:_SHOWN]
            rule = f"{self._target} must be numbers ({column.note or ', '.join(map(repr, known))})"
            raise ConfigError([Problem("data.target", f"{rule}; for classes choose data=csv")])
        values, _ = parse_numbers(column, cells, ())
        if (np.abs(values) > _LARGEST).any():
            rule = f"{self._target} has numbers beyond {_LARGEST:.1e}, which float32 cannot hold"
            raise ConfigError([Problem("data.target", f"{rule}; give it in a larger unit")])
        return torch.from_numpy(values).float().unsqueeze(1), {}


_SAMPLE_TARGETS = {"penguins.csv": "species", "cars.csv": "mpg"}


def _numbers_of(inputs: Tensor, place: int) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = inputs[:, place].numpy()
    return numbers


def _times_of(name: str, table: Table, na_values: Sequence[str], chosen: Indices) -> NDArray[np.float64]:
    return instants(name, table[name], na_values)[chosen]


def _is_beyond(raw: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each column (F + C,) has a number that float32 cannot hold."""
    beyond: NDArray[np.bool_] = np.maximum(np.fmax.reduce(raw), -np.fmin.reduce(raw)) > _LARGEST
    return beyond


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    return () if isinstance(names, str) else names


def _column_report(columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    for kind, word in (("numeric", "numeric"), ("categorical", "categorical")):
        names = [column.name for column in columns if column.kind == kind]
        if names:
            yield word, ", ".join(names)
    missing = [
        f"{column.name} {column.missing:,}" for column in columns if column.kind != "ignored" and column.missing
    ]
    if missing:
        yield "missing", ", ".join(missing)
    for column in columns:
        if column.kind == "ignored":
            yield "left out", f"{column.name}: {column.note}"
        elif column.note:
            yield "question", f"{column.name} {column.note}"
