"""What values samples have, as their augmentation needs to know: black and white, silence and the mean."""

from dataclasses import dataclass
from math import fsum
from typing import Self

import torch
from torch import Tensor

__all__ = ["ValueRange"]

_AT_ONCE = 2**20  # values


@dataclass(frozen=True)
class ValueRange:
    """The values of samples as they were read.

    Args:
        low: the least, which is black or silent.
        high: the largest, which is white.
        mean: of all of them.
    """

    low: float
    high: float
    mean: float

    @classmethod
    def of(cls, raw: Tensor, rows: Tensor | None = None) -> Self:
        """Return that of training samples; bytes have all of theirs, whichever occur.

        Args:
            raw: (N, …).
            rows: (n,) int64, places of the training samples where `raw` holds others, too.
        """
        rows = torch.arange(len(raw)) if rows is None else rows
        parts = torch.split(rows, max(1, _AT_ONCE // max(1, raw[:1].numel())))
        totals = [raw[part].sum(dtype=torch.float64).item() for part in parts]
        mean = torch.tensor(fsum(totals) / max(1, len(rows) * raw[:1].numel())).item()
        if raw.dtype == torch.uint8:
            return cls(0.0, 255.0, mean)
        lows, highs = zip(*(raw[part].aminmax() for part in parts), strict=True)
        return cls(float(min(lows)), float(max(highs)), mean)
