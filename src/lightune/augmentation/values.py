"""What values samples have, as their augmentation needs to know: black and white, silence and the mean."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["ValueRange"]


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
    def of(cls, raw: Tensor) -> Self:
        """Return that of training samples (N, …); bytes have all of theirs, whichever occur."""
        mean = raw.mean(dtype=torch.float64).float().item()
        if raw.dtype == torch.uint8:
            return cls(0.0, 255.0, mean)
        low, high = (float(end) for end in raw.aminmax())
        return cls(low, high, mean)
