"""What stands between a sample as it was read and the network: fitted on training rows, kept with the weights.

A preparation is a module: `forward` maps raw samples (B, …) to inputs (B, …) float32 on any device. What it has
learnt from training rows are its buffers; they and its settings are plain values, so that a checkpoint can hold
them and be read without running code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from torch import Tensor, nn

from lightune.data.own_tokens import OwnTokens
from lightune.data.scaling import Affine
from lightune.data.text_tokens import TextPreparation

__all__ = ["Missing", "TablePreparation", "TableScaling", "preparation_from"]

Missing = Literal["median", "mean", "mode", "drop"]
TableScaling = Literal["none", "minmax", "standard", "robust"]
Categories = Literal["onehot", "embedding"]
Floats = NDArray[np.float64]

_STRATEGIES = {"median": "median", "mean": "mean", "mode": "most_frequent", "drop": "median"}
_COLUMNS_AT_ONCE = 2  # NumPy adds the numbers of one alone in another order
_SCALERS = {"minmax": MinMaxScaler, "standard": StandardScaler, "robust": RobustScaler}


class TablePreparation(nn.Module):
    """Fill in missing numbers, scale them, mark what was missing, and encode categories.

    Raw rows hold numbers first, NaN where one is missing, then the codes of categories, -1 where one is missing,
    -2 where it is unknown. Inputs hold the scaled numbers, a 1 or 0 for each number that was missing in training,
    and then either a column a category (one-hot; all 0 for an unknown one) or its code (for an embedding; 0 for an
    unknown one).

    Args:
        fill: (F,) what stands in for a missing number.
        shift: (F,) subtracted from numbers.
        scale: (F,) numbers are divided by, not zero.
        marked: (K,) int64, the columns whose missing values are marked.
        codes: for each categorical column (2 + categories,) int64: code + 2 → place from 1, 0 for what is unknown
            or was too rare in training.
        onehot: whether categories become columns, else codes.
    """

    def __init__(
        self, fill: Tensor, shift: Tensor, scale: Tensor, marked: Tensor, codes: Sequence[Tensor], *, onehot: bool
    ) -> None:
        super().__init__()
        self.register_buffer("fill", fill)
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.register_buffer("marked", marked)
        self.fill: Tensor
        self.shift: Tensor
        self.scale: Tensor
        self.marked: Tensor
        for place, table in enumerate(codes):
            self.register_buffer(f"codes_{place}", table)
        self.columns = len(codes)
        self.onehot = onehot
        self.cardinalities = tuple(int(table.max()) + 1 for table in codes)  # with one for the unknown

    @classmethod
    def fit(
        cls,
        raw: Tensor,
        *,
        rows: Tensor | None = None,
        cardinalities: Sequence[int],
        missing: Missing = "median",
        missing_indicator: bool = True,
        scaling: TableScaling = "standard",
        categories: Categories = "onehot",
        min_frequency: int = 1,
    ) -> Self:
        """Learn from training rows.

        Args:
            raw: (N, F + C) float64, N > 0.
            rows: (n,) places of the rows that are learnt from, a few columns at a time, without a copy of all;
                None for all rows, at once.
            cardinalities: how many categories each of the last C columns has.
            missing: what stands in for a missing number; for `drop`, which leaves rows out before, the median.
            missing_indicator: whether to mark numbers that were missing, where any was in training.
            scaling: how numbers are scaled, by statistics of those that are there.
            categories: how categories are encoded.
            min_frequency: rows that a category must have in training to be known, > 0.
        """
        width = raw.shape[1] - len(cardinalities)
        every = slice(None) if rows is None else rows
        several = np.array_split(np.arange(width), 1 if rows is None else max(1, width // _COLUMNS_AT_ONCE))
        slices = [slice(places[0], places[-1] + 1) if len(places) else slice(0) for places in several]
        learnt_of = [_learnt(raw[every, columns].numpy(), missing, scaling) for columns in slices]
        fill, shift, scale, gaps = map(np.concatenate, zip(*learnt_of, strict=True))
        marked = np.flatnonzero(gaps) if missing_indicator else np.empty(0, np.int64)
        codes = [
            _known(raw[every, width + place].long(), count, min_frequency)
            for place, count in enumerate(cardinalities)
        ]
        number = (torch.from_numpy(np.asarray(each, dtype=np.float64)) for each in (fill, shift, scale))
        learnt = dict(zip(("fill", "shift", "scale"), number, strict=True))
        return cls(**learnt, marked=torch.from_numpy(marked), codes=codes, onehot=categories == "onehot")

    @property
    def width(self) -> int:
        """Length of an input."""
        encoded = sum(self.cardinalities) - self.columns if self.onehot else self.columns
        return len(self.fill) + len(self.marked) + encoded

    def forward(self, raw: Tensor) -> Tensor:
        """Map raw rows (B, F + C) float64 to inputs (B, width) float32."""
        numbers = raw[:, : len(self.fill)]
        absent = torch.isnan(numbers)
        scaled = (torch.where(absent, self.fill, numbers) - self.shift) / self.scale
        parts = [scaled.float(), absent[:, self.marked].float()]
        for place in range(self.columns):
            table: Tensor = getattr(self, f"codes_{place}")
            known = table[raw[:, len(self.fill) + place].long() + 2]
            if self.onehot:
                choices = torch.arange(1, self.cardinalities[place], device=raw.device)
                parts.append((known.unsqueeze(1) == choices).float())
            else:
                parts.append(known.unsqueeze(1).float())
        return torch.cat(parts, dim=1)

    def plain(self) -> dict[str, Any]:
        """Return what it has learnt."""
        codes = [getattr(self, f"codes_{place}") for place in range(self.columns)]
        numbers = {name: getattr(self, name) for name in ("fill", "shift", "scale", "marked")}
        return {"kind": "table", **numbers, "codes": codes, "onehot": self.onehot}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Make it of what `plain` returned."""
        return cls(**{key: value for key, value in plain.items() if key != "kind"})


def preparation_from(plain: Mapping[str, Any]) -> nn.Module:
    """Make a preparation of what its `plain` returned.

    Raises:
        ValueError: if it is of a kind that is not known here.
    """
    if plain.get("kind") == "affine":
        return Affine.from_plain(plain)
    if plain.get("kind") == "table":
        return TablePreparation.from_plain(plain)
    if plain.get("kind") == "text":
        return TextPreparation.from_plain(plain)
    if plain.get("kind") == "own tokens":
        return OwnTokens.from_plain(plain)
    raise ValueError(f"a preparation of an unknown kind: {plain.get('kind')!r}")


def _learnt(numbers: Floats, missing: Missing, scaling: TableScaling) -> tuple[Floats, Floats, Floats, Any]:
    """Return fill, shift and scale (F,) of numbers (N, F), and whether one is missing (F,)."""
    observed = np.isfinite(numbers)
    fill = shift = np.zeros(numbers.shape[1])
    scale = np.ones(numbers.shape[1])
    if numbers.size:
        imputer = SimpleImputer(strategy=_STRATEGIES[missing], keep_empty_features=True).fit(numbers)
        fill = np.nan_to_num(imputer.statistics_)
    if numbers.size and scaling != "none":
        shift, scale = _fit_scaling(np.where(observed.any(axis=0), numbers, 0.0), scaling)
    return fill, shift, scale, ~observed.all(axis=0)


def _fit_scaling(numbers: Any, scaling: TableScaling) -> tuple[Any, Any]:
    """Return shift and scale of the numbers that are there; what never varies is only shifted."""
    scaler = _SCALERS[scaling]().fit(numbers)
    if scaling == "minmax":
        return scaler.data_min_, np.where(scaler.data_range_ > 0, scaler.data_range_, 1.0)
    shift = scaler.center_ if scaling == "robust" else scaler.mean_
    return shift, scaler.scale_


def _known(codes: Tensor, count: int, min_frequency: int) -> Tensor:
    """Return code + 2 → place from 1 of what is frequent enough, else 0."""
    seen = torch.bincount(codes + 2, minlength=count + 2)
    known = seen >= min_frequency
    known[0] = False
    return torch.where(known, known.cumsum(0), 0)
