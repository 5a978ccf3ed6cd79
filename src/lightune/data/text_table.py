"""Texts of one's own: a column of a delimited text file, and what class each is of."""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from lightune.data.class_names import PosLabel, in_order, require_classes, with_positive_last
from lightune.data.columns import NA_VALUES
from lightune.data.delimited import Delimiter
from lightune.data.group_column import group_problems, groups_in_column
from lightune.data.memory import BatchSize, InMemoryData
from lightune.data.official_parts import by_parts, parts_in_column, untrained
from lightune.data.own_tokens import OwnTokens
from lightune.data.row_digests import Duplicates, handle_copies
from lightune.data.samples import Samples
from lightune.data.table_files import read_table
from lightune.data.text_tokens import TextPreparation, Tokens, cutter, interned, numbered
from lightune.errors import ConfigError, Problem
from lightune.models import OwnTokenizer
from lightune.ranges import PositiveInt
from lightune.wording import counted

__all__ = ["TextCSV"]


class TextCSV(InMemoryData):
    """A column of texts, cut into tokens, and a column of classes.

    Args:
        path: a .csv or .tsv file, .gz or not, with `lightune[tables]` .parquet or .xlsx; None for the sample: the
            title, director and actors of 1,547 films, and the language of each.
        text: column of the texts.
        target: column of the classes.
        tokens: `word` for words and punctuation, `char` for characters, `byte` for bytes of UTF-8; or the `.json`
            file of a tokenizer of the package tokenizers, for sub-words; or `model`, as the network wants them.
        lowercase: whether capital letters count as small ones; a tokenizer's file decides that itself.
        min_frequency: times that a token must stand in the training rows to be known, > 0.
        max_vocabulary: tokens that are known at most, the commonest, > 0.
        max_length: tokens that are kept of a text, from its beginning, > 0.
        duplicates: `together` keeps equal texts on one side of each split, `drop` keeps the first of them, `keep`
            divides them like others.
        split: column that says which part a text belongs to: `train`, `val` or `test`.
        group_column: column whose equal values are a group that a split may keep together.
        delimiter: what stands between two cells; `auto` finds out.
        encoding: of the file, where no mark at its beginning says so.
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        pos_label: of two classes the positive one, which precision, recall and the like are of; None for the last.
    """

    kind = "text"
    raw_dtype = torch.int32

    def __init__(
        self,
        path: str | None = None,
        text: str = "text",
        target: str = "label",
        tokens: str = "word",
        lowercase: bool = True,
        min_frequency: PositiveInt = 2,
        max_vocabulary: PositiveInt = 20_000,
        max_length: PositiveInt = 128,
        duplicates: Duplicates = "together",
        split: str | None = None,
        delimiter: Delimiter = "auto",
        encoding: str = "utf-8",
        batch_size: BatchSize = 64,
        group_column: str | None = None,
        pos_label: PosLabel = None,
    ) -> None:
        super().__init__(batch_size=batch_size, scaling="none", placement="host")
        self.path, self.text, self.target, self.split = path, text, target, split
        self.group_column, self.pos_label = group_column, pos_label
        self.tokens, self.lowercase = tokens, lowercase
        self.min_frequency, self.max_vocabulary, self.max_length = min_frequency, max_vocabulary, max_length
        self.duplicates, self.delimiter, self.encoding = duplicates, delimiter, encoding
        self._own: OwnTokenizer | None = None

    def cut_as(self, tokenizer: OwnTokenizer) -> None:
        """Set what `tokens=model` cuts texts by, before they are read."""
        self._own = tokenizer

    def load(self) -> Samples:
        """Read the texts; return interned tokens (N, T) int32, -1 behind the end of a text.

        Raises:
            ConfigError: with every key that does not fit the file.
        """
        tokenizer = self._tokenizer()
        cut = self._cutter(tokenizer)
        table = self._read()
        texts, labels = table[self.text], [cell.strip() for cell in table[self.target]]
        kept = [row for row, cell in enumerate(labels) if cell not in NA_VALUES]
        report = [("rows", f"{len(kept):,}")]
        if len(kept) < len(labels):
            without = len(labels) - len(kept)
            row, are = ("rows", "are") if without > 1 else ("row", "is")
            report.append(("target", f"{without:,} {row} without a {self.target} {are} left out"))
        classes = in_order({labels[row] for row in kept})
        if len(classes) < 2:
            rule = f"{self.target} has one class only, {classes[0]!r}" if classes else f"{self.target} is empty"
            raise ConfigError([Problem("data.target", rule)])
        require_classes(classes, "data.target", subject=self.target)
        classes = with_positive_last(classes, self.pos_label, subject=self.target)
        cells = [cut(texts[row]) for row in kept]
        if self._own is None:
            raw, tokens = interned(cells, self.max_length)
        else:
            tokens = list(self._own.vocabulary)
            raw = numbered(cells, {token: place for place, token in enumerate(tokens)}, self.max_length)
        report += _remarks(cells, len(tokens), self.max_length)
        if self._own is not None:
            unused = "data.lowercase, min_frequency and max_vocabulary do not count"
            report.append(("tokens", f"as the network's own tokenizer cuts and numbers them: {unused}"))
        elif tokenizer:
            report.append(
                ("tokens", f"as {self.tokens} cuts them, small and capital letters, too: not data.lowercase")
            )
        number = {name: place for place, name in enumerate(classes)}
        targets = torch.tensor([number[labels[row]] for row in kept])
        part = (
            None if self.split is None else parts_in_column(self.split, [table[self.split][row] for row in kept])
        )
        chosen, copies, remarks = handle_copies(
            raw,
            self.duplicates,
            counted="text",
            labels=targets.numpy(),
            called=lambda place: f"row {kept[place]} ({labels[kept[place]]})",
        )
        report += remarks
        order, official_val, official_test = by_parts(chosen, part)
        places = torch.from_numpy(order)
        report += untrained(targets[places].tolist(), classes, official_val + official_test, counted="text")
        groups = groups_in_column(self.group_column, table, NA_VALUES)
        return Samples(
            raw[places],
            targets[places],
            num_classes=len(classes),
            official_test=official_test,
            official_val=official_val,
            groups={name: each[kept][order] for name, each in groups.items()},
            copies=None if copies is None else copies[order],
            schema={
                "classes": classes,
                "target": self.target,
                "text": self.text,
                "tokens": self.tokens,
                "lowercase": self.lowercase,
                "max_length": self.max_length,
                "vocabulary": tokens,
                "delimiter": self.delimiter,
                "encoding": self.encoding,
                **({"tokenizer": tokenizer} if tokenizer else {}),
            },
            report=report,
            rows=np.array(kept)[order],
        )

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The size of the vocabulary, padding and the unknown token included; 0 before the data are divided."""
        prepared = self._preparation
        return (prepared.vocabulary if isinstance(prepared, TextPreparation | OwnTokens) else 0,)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Number of tokens of a text, those of the network's own tokenizer around it included."""
        (length,) = self.samples.inputs.shape[1:]
        own = self._own
        return (length if own is None else length + len(own.before) + len(own.after),)

    def fit_preparation(self, raw: Tensor) -> nn.Module:
        """Return a vocabulary of training rows (N, T); or what a network's own tokenizer knows."""
        if (own := self._own) is not None:
            return OwnTokens(own.before, own.after, own.padding, own.unknown, len(own.vocabulary))
        known = len(self.samples.schema["vocabulary"])
        limits = {"min_frequency": self.min_frequency, "max_vocabulary": self.max_vocabulary}
        return TextPreparation.fit(raw, tokens=known, **limits)

    def _tokenizer(self) -> str:
        """Return the JSON text of the tokenizer that `tokens` names; empty for none."""
        if self._own is not None:
            return self._own.json
        if self.tokens in get_args(Tokens):
            return ""
        if not self.tokens.endswith(".json"):
            names = ", ".join((*get_args(Tokens), "model"))
            rule = f"must be {names}, or the .json file of a tokenizer, got {self.tokens}"
            raise ConfigError([Problem("data.tokens", rule)])
        file = Path(self.tokens).expanduser()
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            raise ConfigError([Problem("data.tokens", f"{file.absolute()} cannot be read ({reason})")]) from error

    def _cutter(self, tokenizer: str) -> Callable[[str], list[str]]:
        try:
            return cutter(self.tokens, lowercase=self.lowercase, tokenizer=tokenizer)
        except ValueError as error:
            raise ConfigError([Problem("data.tokens", f"{self.tokens} {error}")]) from error

    def _read(self) -> Mapping[str, Sequence[str]]:
        sample = Path(str(files("lightune.data") / "files" / "film_people.csv.gz"))
        file = sample if self.path is None else Path(self.path).expanduser()
        if not file.is_file():
            raise ConfigError([Problem("data.path", f"there is no file {file.absolute()}")])
        try:
            table = read_table(file, delimiter=self.delimiter, encoding=self.encoding)
        except ValueError as error:
            raise ConfigError([Problem("data.path", str(error))]) from error
        named: dict[str, Any] = {"text": self.text, "target": self.target, "split": self.split}
        there = f"the columns are {', '.join(table)}"
        problems = [
            Problem(f"data.{key}", f"there is no column {name!r}; {there}")
            for key, name in named.items()
            if name is not None and name not in table
        ]
        taken = {key: name for key, name in named.items() if name is not None}
        problems += group_problems(self.group_column, table, taken)
        said = list(taken.values())
        problems += [
            Problem("data", f"column {name!r} stands in two of text, target and split")
            for name in sorted({name for name in said if said.count(name) > 1})
        ]
        if problems:
            raise ConfigError(problems)
        return table


def _remarks(cells: Sequence[Sequence[str]], tokens: int, max_length: int) -> list[tuple[str, str]]:
    """Return what was found in the texts."""
    lengths = sorted(map(len, cells))
    remarks = [("tokens", f"{tokens:,} different, {lengths[len(lengths) // 2]:,} in a text (median)")]
    if longer := sum(length > max_length for length in lengths):
        remarks.append(("cut off", f"{_texts(longer)} of more than {max_length:,} tokens"))
    if empty := sum(not length for length in lengths):
        remarks.append(("empty", f"{_texts(empty)} without a token"))
    return remarks


def _texts(count: int) -> str:
    return counted(count, "text")
