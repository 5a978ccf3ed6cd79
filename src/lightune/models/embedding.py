"""Vectors in the place of categories, learnt with the network (Guo & Berkhahn 2016)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["CategoryEmbedding"]

_WIDEST = 50


class CategoryEmbedding(nn.Module):
    """Exchange the codes that stand last in a row for learnt vectors.

    A column of n codes gets vectors of min(50, 1.6 n^0.56) numbers, the rule of thumb of fastai.

    Args:
        cardinalities: number of codes of each of the last columns, each > 0.
        width: length of a row, codes included.
    """

    def __init__(self, cardinalities: Sequence[int], width: int) -> None:
        super().__init__()
        self.numbers = width - len(cardinalities)
        self.tables = nn.ModuleList(nn.Embedding(count, _width(count)) for count in cardinalities)
        self.width = self.numbers + sum(_width(count) for count in cardinalities)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (B, numbers + codes) float32 to (B, width)."""
        codes = x[:, self.numbers :].long()
        vectors = [table(codes[:, place]) for place, table in enumerate(self.tables)]
        return torch.cat([x[:, : self.numbers], *vectors], dim=1)


def _width(count: int) -> int:
    return int(min(_WIDEST, max(1, round(1.6 * count**0.56))))
