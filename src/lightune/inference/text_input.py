"""Texts, from a file or from Python, as the network's preparation takes them."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from lightune.data.table_files import rows_like
from lightune.data.text_tokens import cutter, numbered
from lightune.inference.table_input import Tally

__all__ = ["TextInput"]

_ROWS = 8192  # read at a time
_SHOWN = 20  # characters that a message shows


class TextInput:
    """Turn texts into raw tensors by the schema that is kept with a network.

    Args:
        schema: `text`, `tokens`, `lowercase`, `max_length`, `vocabulary`, perhaps `tokenizer`, and how the
            training's file was written, `delimiter` and `encoding`, as a checkpoint holds them.

    Raises:
        ValueError: if a package is missing that cuts texts as in training.
    """

    counted = "row"

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._column, self._max_length = str(schema["text"]), int(schema["max_length"])
        chosen = {"lowercase": bool(schema["lowercase"]), "tokenizer": str(schema.get("tokenizer", ""))}
        self._cut = cutter(str(schema["tokens"]), **chosen)  # type: ignore[arg-type]
        self._schema = schema
        self._known = {token: number for number, token in enumerate(schema["vocabulary"])}

    def chunks(self, path: Path, tally: Tally) -> Iterator[tuple[list[str], Tensor]]:
        """Yield raw texts (n, T) of a file with the numbers of their rows, some thousand at a time.

        Args:
            path: a delimited text file with the column of texts.
            tally: is added to.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if it is a table without the column.
        """
        rows = rows_like(path, self._schema)
        header = next(rows)
        if self._column not in header:
            raise ValueError(f"has no column {self._column!r}; it has {', '.join(header)}")
        place = header.index(self._column)
        while chunk := list(islice(rows, _ROWS)):
            numbers = [str(tally.rows + row) for row in range(len(chunk))]
            yield numbers, self.raw([row[place] for row in chunk], tally)

    def raw(self, samples: Any, tally: Tally) -> Tensor:
        """Return raw texts (N, T) int32.

        Args:
            samples: texts; a data frame or a mapping with the column of texts; or a list of mappings, one a row.
                A missing text is an empty one.
            tally: is added to.

        Raises:
            ValueError: if they are no texts.
        """
        if isinstance(samples, Mapping) or hasattr(samples, "columns"):
            if self._column not in samples:
                raise ValueError(f"samples must have a column {self._column!r}")
            samples = samples[self._column]
        if isinstance(samples, str):
            raise ValueError(f"samples must be a list of texts, got one; predict([{samples[:_SHOWN]!r}])")
        texts = [self._text(sample) for sample in samples]
        tally.rows += len(texts)
        return numbered(map(self._cut, texts), self._known, self._max_length)

    def _text(self, sample: Any) -> str:
        if isinstance(sample, Mapping):
            if self._column not in sample:
                raise ValueError(f"samples must have a column {self._column!r}, got {', '.join(map(str, sample))}")
            sample = sample[self._column]
        if sample is None or (isinstance(sample, float) and math.isnan(sample)):
            return ""
        if not isinstance(sample, str):
            raise ValueError(f"samples must be a list of texts, got a {type(sample).__name__} in it")
        return sample
