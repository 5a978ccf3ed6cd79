"""What the training data look like in numbers, kept with the network, and whether an input looks like that.

A profile holds for each column of a table, for the brightness and contrast of pictures, the loudness and contrast
of sounds, and the length and unknown tokens of texts how many samples lie in each of some bins: ten of equal size
for numbers, one a category, one for what is missing. An input is compared by the population stability index, the
sum over bins of (p - q) ln(p / q) of the shares in input and profile (Siddiqi 2006): beyond 0.2 a column counts as
another. Chance makes an index of two samples of n and m rows about (bins - 1)(1/n + 1/m); twice that is added.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightune.data.columns import UNKNOWN, Column, used
from lightune.data.text_tokens import PADDING, UNKNOWN_TOKEN

__all__ = ["FEWEST", "Drift", "is_profiled", "profile_of"]

FEWEST = 100
"""Rows below which an input is not compared."""

_INDEX = 0.2
_BINS = 10
_ROWS, _NUMBERS = 10_000, 2**24  # samples, and numbers in them, that a profile is made of, at most
_AT_ONCE = 2**20  # numbers that are float32 at a time
_SHOWN = 5

Counts = NDArray[np.int64]


def is_profiled(schema: Mapping[str, Any]) -> bool:
    """Return True if samples of a kind have a profile: those that files of one's own hold."""
    return bool({"columns", "text", "files"} & schema.keys())


def profile_of(
    schema: Mapping[str, Any], raw: Tensor, preparation: nn.Module, rows: Tensor | None = None
) -> list[dict[str, Any]]:
    """Return the profile of samples: the name of each thing that is looked at, its bins, and how many are in each.

    Args:
        schema: what the samples are, as a checkpoint holds it.
        raw: (N, …) as they were read.
        preparation: that a network was trained with.
        rows: (n,) int64, places of those that are looked at; None for all.
    """
    rows = torch.arange(len(raw)) if rows is None else rows
    if not len(rows):
        return []
    most = max(1, min(_ROWS, _NUMBERS // max(1, raw[:1].numel())))
    chosen = rows[torch.linspace(0, len(rows) - 1, min(len(rows), most)).round().long()]
    profile = []
    for name, values, categories in _looked_at(schema, raw[chosen], preparation):
        edges: list[float] = []
        if not categories:
            there = values[~np.isnan(values)]
            edges = np.unique(np.quantile(there, np.arange(1, _BINS) / _BINS)).tolist() if len(there) else []
        counts = _counted(values, edges, categories)
        profile.append({"name": name, "edges": edges, "categories": categories, "counts": counts.tolist()})
    return profile


class Drift:
    """Compare an input with a profile, part by part.

    Args:
        profile: as `profile_of` returned it.
        schema: what the samples are.
        preparation: that the network was trained with.
    """

    def __init__(
        self, profile: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], preparation: nn.Module
    ) -> None:
        self._profile, self._schema, self._preparation = (
            {str(each["name"]): each for each in profile},
            schema,
            preparation,
        )
        self._counts: dict[str, Counts] = {}
        self._rows = 0

    def add(self, raw: Tensor) -> None:
        """Take more samples (n, …) as they were read."""
        self._rows += len(raw)
        for name, values, categories in _looked_at(self._schema, raw, self._preparation):
            if known := self._profile.get(name):
                counts = _counted(values, known["edges"], categories)
                self._counts[name] = self._counts.get(name, np.zeros_like(counts)) + counts

    def indices(self) -> dict[str, float]:
        """Return the population stability index of each name where it is beyond chance, the largest first."""
        if self._rows < FEWEST:
            return {}
        found = {}
        for name, counts in self._counts.items():
            before = np.asarray(self._profile[name]["counts"])
            bins, rows, then = len(counts), int(counts.sum()), int(before.sum())
            p, q = (counts + 0.5) / (rows + 0.5 * bins), (before + 0.5) / (then + 0.5 * bins)
            index = float(((p - q) * np.log(p / q)).sum())
            if index > _INDEX + 2 * (bins - 1) * (1 / rows + 1 / then):
                found[name] = index
        return dict(sorted(found.items(), key=lambda each: -each[1]))

    def line(self, besides: Sequence[str] = ()) -> str:
        """Return what a person should know, in one line; empty if the input looks like the training data.

        Args:
            besides: names that something else is said of.
        """
        found = {name: index for name, index in self.indices().items() if name not in besides}
        if not found:
            return ""
        shown = ", ".join(f"{name} ({index:.2f})" for name, index in list(found.items())[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return f"drift: not as in training (population stability index): {shown}{more}; predictions may be worse"


def _looked_at(
    schema: Mapping[str, Any], raw: Tensor, preparation: nn.Module
) -> Iterator[tuple[str, NDArray[np.float64], int]]:
    """Yield what is looked at: its name, its value in each sample, its number of categories or 0."""
    if "columns" in schema:
        for place, column in enumerate(used([Column.from_plain(plain) for plain in schema["columns"]])):
            categories = len(column.categories) if column.kind == "categorical" else 0
            yield column.name, raw[:, place].double().numpy(), categories
    elif "text" in schema:
        with torch.inference_mode():
            known = preparation(raw)
        padding, unknown = getattr(preparation, "padding", PADDING), getattr(preparation, "unknown", UNKNOWN_TOKEN)
        there = (known != padding).sum(dim=1).clamp(min=1).double()
        yield "unknown tokens", ((known == unknown).sum(dim=1) / there).numpy(), 0
        yield "length", (raw != -1).sum(dim=1).double().numpy(), 0
    else:
        level = "brightness" if schema["files"]["kind"] == "image" else "loudness"
        parts = torch.split(raw.flatten(1), max(1, _AT_ONCE // max(1, raw[:1].numel())))
        yield level, torch.cat([part.float().mean(dim=1) for part in parts]).double().numpy(), 0
        yield "contrast", torch.cat([part.float().std(dim=1) for part in parts]).double().numpy(), 0


def _counted(values: NDArray[np.float64], edges: Sequence[float], categories: int) -> Counts:
    """Return how many values are in each bin: of numbers the missing first; of codes the unknown, the missing."""
    if categories:
        return np.bincount((values - UNKNOWN).astype(np.int64), minlength=categories + 2)
    there = ~np.isnan(values)
    bins = np.where(there, np.searchsorted(np.asarray(edges), values, side="right") + 1, 0)
    return np.bincount(bins, minlength=len(edges) + 2)
