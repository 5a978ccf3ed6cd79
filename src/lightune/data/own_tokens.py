"""Texts as a network that others have trained wants them: by its own numbers, between its own tokens."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

__all__ = ["OwnTokens"]

_FREE = -1  # of raw texts: behind the end


class OwnTokens(nn.Module):
    """Put tokens of a network's own before and behind texts, and fill them up as it wants.

    Args:
        before: numbers of the tokens before each text.
        after: numbers of those behind it.
        padding: number of what fills up.
        unknown: number of what stands in for a token without one.
        vocabulary: how many tokens there are, > 0.
    """

    def __init__(
        self, before: Sequence[int], after: Sequence[int], padding: int, unknown: int, vocabulary: int
    ) -> None:
        super().__init__()
        self.register_buffer("before", torch.tensor(list(before), dtype=torch.int64))
        self.register_buffer("after", torch.tensor(list(after), dtype=torch.int64))
        self.before: Tensor
        self.after: Tensor
        self.padding, self.unknown, self.vocabulary = padding, unknown, vocabulary

    @property
    def added(self) -> int:
        """How many tokens are put around a text."""
        return len(self.before) + len(self.after)

    def forward(self, raw: Tensor) -> Tensor:
        """Map numbers of tokens (B, T), -1 behind the end and -2 for an unknown one, to (B, T + added) int64."""
        numbers = raw.long()
        is_there = numbers != _FREE
        known = torch.where(numbers < _FREE, self.unknown, numbers)
        body = torch.where(is_there, known, self.padding)
        first, last = (each.expand(len(raw), -1) for each in (self.before, self.after))
        whole = torch.cat([first, body, torch.full_like(last, self.padding)], dim=1)
        ends = is_there.sum(dim=1, keepdim=True) + len(self.before)
        return whole.scatter(1, ends + torch.arange(len(self.after), device=raw.device), last)

    def plain(self) -> dict[str, Any]:
        """Return what it knows."""
        numbers = {name: getattr(self, name) for name in ("padding", "unknown", "vocabulary")}
        return {"kind": "own tokens", "before": self.before.tolist(), "after": self.after.tolist(), **numbers}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Make it of what `plain` returned."""
        return cls(**{key: value for key, value in plain.items() if key != "kind"})
