"""Brightness, contrast and saturation of images, each with factors of its own; values are levels from 0 to 255.

Images are changed in place. Sums are exact, and no fused multiply-additions are used: a sample gets the same bits
in every batch.
"""

import math

from torch import Tensor

__all__ = ["WHITE", "brighten_", "contrast_", "gray", "saturate_"]

WHITE = 255.0
_GRAY = (0.2989, 0.587, 0.114)  # of red, green and blue, as torchvision weighs them
_EXACT = 2**24  # whole numbers up to here are exact in float32, in whatever order they are added


def brighten_(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply levels of images (B, C, H, W) by factors (B,), >= 0, within black and white."""
    return images.mul_(_of_each(factors)).clamp_(0, WHITE)


def contrast_(images: Tensor, factors: Tensor) -> Tensor:
    """Move levels of images (B, C, H, W) away from their mean grey by factors (B,), >= 0; 0 leaves that alone."""
    return _blended(images, _mean(gray(images)).reshape(-1, 1, 1, 1), factors)


def saturate_(images: Tensor, factors: Tensor) -> Tensor:
    """Move colours of images (B, 3, H, W) away from grey by factors (B,), >= 0; other images have none."""
    return images if images.shape[1] != 3 else _blended(images, gray(images).unsqueeze(1), factors)


def gray(images: Tensor) -> Tensor:
    """Return the grey (B, H, W) of images (B, C, H, W): weighed for three channels, else the mean of them."""
    channels = images.unbind(1)
    weights = _GRAY if len(channels) == 3 else (1 / len(channels),) * len(channels)
    total = channels[0] * weights[0]
    for channel, weight in zip(channels[1:], weights[1:], strict=True):
        total += channel * weight
    return total


def _blended(images: Tensor, other: Tensor, factors: Tensor) -> Tensor:
    own = _of_each(factors)
    return images.mul_(own).add_(other * (1 - own)).clamp_(0, WHITE)


def _mean(levels: Tensor) -> Tensor:
    """Return the mean (B,) of levels (B, H, W), rounded to a fraction that makes every sum of them exact.

    A sum of plain float32 depends on how it is divided among threads and lanes, which the size of a batch decides.
    """
    pixels = levels[0].numel()
    steps = 2.0 ** math.floor(math.log2(_EXACT / (WHITE * pixels)))  # a level
    return (levels * steps).round_().sum(dim=(1, 2)) / (steps * pixels)


def _of_each(factors: Tensor) -> Tensor:
    return factors.reshape(-1, 1, 1, 1)
