"""Spectrograms that are shifted in time and lose a span of frames or bands, each in its own way."""

import math

import torch
from torch import Tensor

__all__ = ["masked", "most", "shifted"]


def most(share: float, size: int) -> int:
    """Return the whole number that a share of a size comes to, at least 1 if the share is more than 0."""
    return min(size, math.ceil(share * size))


def shifted(sounds: Tensor, numbers: Tensor, share: float, silence: float) -> Tensor:
    """Shift sounds (B, 1, mels, frames) in time by up to a share of their frames, either way.

    Args:
        sounds: float32.
        numbers: (B,) in [0, 1), which choose the shift.
        share: in [0, 1].
        silence: what comes in.
    """
    frames = sounds.shape[-1]
    furthest = most(share, frames)
    by = (numbers * (2 * furthest + 1)).long() - furthest
    places = torch.arange(frames, device=sounds.device) - by.unsqueeze(1)
    inside = (places >= 0) & (places < frames)
    index = places.clamp(0, frames - 1).reshape(-1, 1, 1, frames).expand_as(sounds)
    return torch.where(inside.reshape(-1, 1, 1, frames), sounds.gather(3, index), silence)


def masked(sounds: Tensor, widths: Tensor, starts: Tensor, share: float, fill: float, *, dimension: int) -> Tensor:
    """Replace one span of each sound (B, 1, mels, frames); its width is from 0 to a share of what there is.

    Source: Park et al. 2019 (SpecAugment), section 2, policies 2 and 3.

    Args:
        sounds: float32.
        widths: (B,) in [0, 1), which choose the width.
        starts: (B,) in [0, 1), which choose where it begins.
        share: in [0, 1].
        fill: what stands there instead.
        dimension: 2 for bands, 3 for frames.
    """
    size = sounds.shape[dimension]
    width = (widths * (most(share, size) + 1)).long()
    first = (starts * (size - width + 1)).long()
    places = torch.arange(size, device=sounds.device)
    hidden = (places >= first.unsqueeze(1)) & (places < (first + width).unsqueeze(1))
    shape = [len(sounds), 1, 1, 1]
    shape[dimension] = size
    return torch.where(hidden.reshape(shape), fill, sounds)
