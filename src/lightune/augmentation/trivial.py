"""One operation of TrivialAugment an image: which one, and how strongly, its own numbers say.

Source: Müller & Hutter 2021 (TrivialAugment), table 1, wide. Magnitudes are drawn from the whole range instead of
31 steps, and translations are shares of the image instead of 32 pixels, so that they suit small images too.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lightune.augmentation.color import WHITE, brighten_, contrast_, saturate_
from lightune.augmentation.geometry import Affine2d, warped

__all__ = ["OPERATIONS", "auto_contrast", "equalize", "posterize", "sharpness", "solarize", "trivially_varied"]

_LARGEST = 0.99  # shear, and how far factors are from 1
_FURTHEST = 0.45  # of a side, that an image is moved
_TURNED = 135.0  # degrees
_COARSEST = 6  # bits of 8 that posterizing takes away


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Move levels (B, C, H, W) away from their neighbours' by factors (B,), >= 0; pixels at the edge stay."""
    height, width = images.shape[-2:]
    if min(height, width) < 3:
        return images
    middle = images[:, :, 1:-1, 1:-1]
    blurred = middle * 4  # one by one, which gives the same bits in every batch
    for y in range(3):
        for x in range(3):
            blurred += images[:, :, y : y + height - 2, x : x + width - 2]
    blurred /= 13
    own = factors.reshape(-1, 1, 1, 1)
    made = images.clone()
    made[:, :, 1:-1, 1:-1] = (middle * own + blurred * (1 - own)).clamp_(0, WHITE)
    return made


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest bits (B,) int64, from 1 to 8, of levels (B, C, H, W)."""
    coarse = (torch.ones_like(bits) << (8 - bits)).reshape(-1, 1, 1, 1)
    return (images.round().long() // coarse * coarse).to(images.dtype)


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Invert levels (B, C, H, W) from thresholds (B,) on."""
    return torch.where(images >= thresholds.reshape(-1, 1, 1, 1), WHITE - images, images)


def auto_contrast(images: Tensor) -> Tensor:
    """Stretch each channel of levels (B, C, H, W) from black to white; one that does not vary stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    varies = high > low
    scale = torch.where(varies, WHITE / (high - low), torch.ones_like(high))
    return ((images - torch.where(varies, low, torch.zeros_like(low))) * scale).clamp_(0, WHITE)


def equalize(images: Tensor) -> Tensor:
    """Spread the levels (B, C, H, W) of each channel evenly, as torchvision does it for bytes."""
    levels = images.round().long().flatten(2)
    counts = levels.new_zeros(*levels.shape[:2], int(WHITE) + 1).scatter_add_(2, levels, torch.ones_like(levels))
    total = counts.cumsum(2)
    last = counts.gather(2, total.argmax(2, keepdim=True))  # of the highest level that occurs
    step = (levels.shape[2] - last) // int(WHITE)
    table = (total[..., :-1] + step // 2).div(step.clamp(min=1), rounding_mode="floor").clamp_(0, int(WHITE))
    table = torch.cat([torch.zeros_like(step), table], dim=2)
    return torch.where(step > 0, table.gather(2, levels), levels).reshape(images.shape).to(images.dtype)


def _sheared(images: Tensor, amounts: Tensor, *, x: bool) -> Tensor:
    none = torch.zeros_like(amounts)
    slope = amounts * _LARGEST
    return warped(images, Affine2d.shear(slope, none) if x else Affine2d.shear(none, slope))


def _translated(images: Tensor, amounts: Tensor, *, x: bool) -> Tensor:
    none = torch.zeros_like(amounts)
    pixels = amounts * (_FURTHEST * images.shape[3 if x else 2])
    return warped(images, Affine2d.translation(pixels, none) if x else Affine2d.translation(none, pixels))


def _factor(amounts: Tensor) -> Tensor:
    return 1 + amounts * _LARGEST


# What each makes of levels (B, C, H, W), which it may overwrite, with amounts (B,) in (-1, 1).
OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda images, _: images,
    "shear_x": lambda images, amounts: _sheared(images, amounts, x=True),
    "shear_y": lambda images, amounts: _sheared(images, amounts, x=False),
    "translate_x": lambda images, amounts: _translated(images, amounts, x=True),
    "translate_y": lambda images, amounts: _translated(images, amounts, x=False),
    "rotate": lambda images, amounts: warped(images, Affine2d.rotation(amounts * _TURNED)),
    "brightness": lambda images, amounts: brighten_(images, _factor(amounts)),
    "saturation": lambda images, amounts: saturate_(images, _factor(amounts)),
    "contrast": lambda images, amounts: contrast_(images, _factor(amounts)),
    "sharpness": lambda images, amounts: sharpness(images, _factor(amounts)),
    "posterize": lambda images, amounts: posterize(images, 8 - (amounts.abs() * _COARSEST).round().long()),
    "solarize": lambda images, amounts: solarize(images, WHITE * (1 - amounts.abs())),
    "auto_contrast": lambda images, _: auto_contrast(images),
    "equalize": lambda images, _: equalize(images),
}


def trivially_varied(images: Tensor, chosen: Tensor, amounts: Tensor) -> Tensor:
    """Do one operation to each image.

    Args:
        images: levels (B, C, H, W) float32 from 0 to 255; not changed.
        chosen: (B,) int64, places in `OPERATIONS`.
        amounts: (B,) in (-1, 1), how strongly.
    """
    made = images.clone()
    for place, operation in list(enumerate(OPERATIONS.values()))[1:]:  # the first leaves images as they are
        own = (chosen == place).nonzero().flatten()
        if len(own):
            made[own] = operation(images[own], amounts[own])
    return made
