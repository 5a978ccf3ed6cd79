"""Shifting and scaling of numbers, with statistics of the training samples only."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

Scaling = Literal["none", "minmax", "standard"]
ImageScaling = Literal["none", "minmax", "standard", "weights"]

CHUNK = 2**22
"""Numbers that are in memory in double precision at a time."""


class Affine(nn.Module):
    """Map x to (x - shift) / scale, and back.

    Args:
        shift: broadcastable to one sample.
        scale: broadcastable to one sample, not zero.
    """

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.shift: Tensor
        self.scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Scale x: (B, …)."""
        return (x - self.shift) / self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """Undo the scaling of x: (B, …)."""
        return x * self.scale + self.shift

    def plain(self) -> dict[str, Any]:
        """Return its shift and scale."""
        return {"kind": "affine", "shift": self.shift, "scale": self.scale}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Make it of what `plain` returned."""
        return cls(plain["shift"], plain["scale"])


def scaling_of_weights(
    values: tuple[float, float], mean: Sequence[float], deviation: Sequence[float], *, channels: int
) -> Affine:
    """Return the scaling that weights want which others have trained, of images of one or three channels.

    Args:
        values: what black and white are.
        mean: of each channel that the weights know, of values in [0, 1].
        deviation: likewise.
        channels: of the images; one that is shown as many is scaled by their means.
    """
    low, high = values
    shift, scale = (torch.tensor(each).reshape(-1, 1, 1) for each in (mean, deviation))
    if channels == 1:
        shift, scale = shift.mean(0, keepdim=True), scale.mean(0, keepdim=True)
    return Affine(low + shift * (high - low), scale * (high - low))


def fit_scaling(train: Tensor, scaling: Scaling, *, rows: Tensor | None = None, chunk: int = CHUNK) -> Affine:
    """Fit a scaling on training samples: per channel of an image, per column of a table.

    Args:
        train: (N, C, H, W) or (N, F).
        scaling: `minmax` maps each channel or column to [0, 1], `standard` to mean 0 and variance 1, `none`
            leaves it. What never varies is only shifted.
        rows: (n,) int64, places of the training samples where `train` holds others, too, which saves a copy.
        chunk: numbers that are in memory in double precision at a time, > 0.
    """
    rows = torch.arange(len(train)) if rows is None else rows
    parts = torch.split(rows, max(1, chunk // max(1, train[:1].numel())))
    shape = (train.shape[1], *([1] * (train.ndim - 2)))
    if scaling == "none":
        return Affine(torch.zeros(shape), torch.ones(shape))
    within = [dimension for dimension in range(train.ndim) if dimension != 1]
    if scaling == "minmax":
        lowest = torch.stack([train[part].amin(within) for part in parts]).amin(0)
        highest = torch.stack([train[part].amax(within) for part in parts]).amax(0)
        shift = lowest.reshape(shape).float()
        scale = highest.reshape(shape).float() - shift
    else:
        shift, scale = _mean_and_deviation(train, parts, within, shape)
    return Affine(shift, torch.where(scale > 1e-12, scale, torch.ones_like(scale)))


def _mean_and_deviation(
    train: Tensor, parts: Sequence[Tensor], within: list[int], shape: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Add up in double precision, part by part: a float32 sum over millions of pixels loses the mean."""
    count = sum(map(len, parts)) * train[:1].numel() // train.shape[1]
    total, spread = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
    for part in parts:
        total += train[part].double().sum(within).reshape(shape)
    mean = total / count
    for part in parts:
        spread += train[part].double().sub_(mean).square_().sum(within).reshape(shape)
    return mean.float(), (spread / count).sqrt().float()
