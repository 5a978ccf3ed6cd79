"""Shifting and scaling of numbers, with statistics of the training samples only."""

from typing import Literal

import torch
from torch import Tensor, nn

Scaling = Literal["none", "minmax", "standard"]


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


def fit_scaling(train: Tensor, scaling: Scaling) -> Affine:
    """Fit a scaling on training samples: per channel of an image, per column of a table.

    Args:
        train: (N, C, H, W) or (N, F), floating point.
        scaling: `minmax` maps each channel or column to [0, 1], `standard` to mean 0 and variance 1, `none`
            leaves it. What never varies is only shifted.
    """
    image = train.ndim == 4
    shape = (train.shape[1], *([1] * (train.ndim - 2)))
    if scaling == "none":
        return Affine(torch.zeros(shape), torch.ones(shape))
    columns = train.transpose(0, 1).flatten(1) if image else train.T
    if scaling == "minmax":
        shift = columns.amin(dim=1)
        scale = columns.amax(dim=1) - shift
    else:
        # in double precision: a float32 sum over millions of pixels loses the mean
        shift = columns.double().mean(dim=1).float()
        scale = columns.double().std(dim=1, correction=0).float()
    scale = torch.where(scale > 1e-12, scale, torch.ones_like(scale))
    return Affine(shift.reshape(shape), scale.reshape(shape))
