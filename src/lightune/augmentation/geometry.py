"""Images that are mirrored, shifted, turned and stretched, each in its own way, a batch at a time.

An operation is a map from the pixels of what comes out to the places they are taken from, so several are one map
and cost one interpolation. Only single additions, multiplications and comparisons are used: these give a sample
the same bits in every batch, which fused multiply-additions do not.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Affine2d", "shifted", "warped"]


@dataclass(frozen=True)
class Affine2d:
    """A map of points (x, y) → (a x + b y + e, c x + d y + f) for each of B samples.

    Points are in pixels from the middle of an image, x to the right, y down.

    Args:
        a: (B,) float32, as are the others.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    d: Tensor
    e: Tensor
    f: Tensor

    @classmethod
    def identity(cls, like: Tensor) -> Self:
        """Return the map that changes nothing, for samples as many as a tensor (B,) has."""
        one, zero = torch.ones_like(like), torch.zeros_like(like)
        return cls(one, zero, zero, one, zero, zero)

    @classmethod
    def rotation(cls, degrees: Tensor) -> Self:
        """Return the rotation of points by angles (B,), clockwise as seen on a screen."""
        radians = torch.deg2rad(degrees.double())  # sines of double precision, so that the last bit is the same
        sine, cosine = radians.sin().float(), radians.cos().float()
        zero = torch.zeros_like(cosine)
        return cls(cosine, -sine, sine, cosine, zero, zero)

    @classmethod
    def scaling(cls, x: Tensor, y: Tensor) -> Self:
        """Return the map that multiplies by x: (B,) and y: (B,)."""
        zero = torch.zeros_like(x)
        return cls(x, zero, zero, y, zero, zero)

    @classmethod
    def shear(cls, x: Tensor, y: Tensor) -> Self:
        """Return the map (x, y) → (x + p y, y + q x) of p: (B,) and q: (B,)."""
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        return cls(one, x, y, one, zero, zero)

    @classmethod
    def translation(cls, x: Tensor, y: Tensor) -> Self:
        """Return the map that adds x: (B,) and y: (B,), in pixels."""
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        return cls(one, zero, zero, one, x, y)

    def after(self, first: "Affine2d") -> "Affine2d":
        """Return the map that does `first` and then this one."""
        return Affine2d(
            self.a * first.a + self.b * first.c,
            self.a * first.b + self.b * first.d,
            self.c * first.a + self.d * first.c,
            self.c * first.b + self.d * first.d,
            self.a * first.e + self.b * first.f + self.e,
            self.c * first.e + self.d * first.f + self.f,
        )


def warped(images: Tensor, source: Affine2d) -> Tensor:
    """Take each pixel from where a map says, between pixels by bilinear interpolation; beyond the edge is 0.

    Args:
        images: (B, C, H, W) float32.
        source: from the pixels that come out to places of the images.
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = torch.arange(height, device=images.device) - (height - 1) / 2
    grid = images.new_empty(len(images), height, width, 2)  # in half widths and half heights from the middle
    for place, size, (along, across, added) in (
        (0, width, (source.a, source.b, source.e)),
        (1, height, (source.c, source.d, source.f)),
    ):
        rows = _column(across * (2 / size), 2) * y + _column(added * (2 / size), 2)
        columns = _column(along * (2 / size), 2) * x
        torch.add(rows.unsqueeze(2), columns.unsqueeze(1), out=grid[..., place])
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def shifted(images: Tensor, x: Tensor, y: Tensor, mirrored: Tensor | None, fill: float) -> Tensor:
    """Cut images out of padded ones at whole pixels, some of them mirrored first: exact, in their own type.

    Args:
        images: (B, C, H, W).
        x: (B,) int64, pixels that the cut lies to the right of the image.
        y: (B,) int64, pixels that it lies below.
        mirrored: (B,) bool, which are mirrored left to right; None for none.
        fill: what lies beyond the edge.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) + y.unsqueeze(1)
    columns = torch.arange(width, device=images.device) + x.unsqueeze(1)
    inside = _within(rows, height).unsqueeze(2) & _within(columns, width).unsqueeze(1)
    columns = columns.clamp(0, width - 1)
    if mirrored is not None:
        columns = torch.where(mirrored.unsqueeze(1), width - 1 - columns, columns)
    places = rows.clamp(0, height - 1).unsqueeze(2) * width + columns.unsqueeze(1)
    flat = images.flatten(2)
    taken = flat.gather(2, places.flatten(1).unsqueeze(1).expand_as(flat)).reshape(images.shape)
    return torch.where(inside.unsqueeze(1), taken, torch.tensor(fill, dtype=images.dtype, device=images.device))


def _within(places: Tensor, size: int) -> Tensor:
    return (places >= 0) & (places < size)


def _column(values: Tensor, dimensions: int) -> Tensor:
    return values.reshape(-1, *[1] * (dimensions - 1))
