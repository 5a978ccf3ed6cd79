"""An image beside what of it speaks for a prediction and what against it, as one picture."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["attribution_picture"]

_SIDE = 224  # pixels that an image is enlarged to at least
_FOR, _AGAINST = np.array([200.0, 40.0, 30.0]), np.array([40.0, 80.0, 200.0])
_GAP = 8


def attribution_picture(image: NDArray[np.float32], attribution: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw an image, and beside it the same in pale grey under red, which speaks for, and blue, against.

    Args:
        image: (C, H, W) with one channel or three, of any values.
        attribution: (H, W); the largest magnitude gets the full colour.

    Returns:
        The picture (H', W', 3) uint8.
    """
    low, high = float(image.min()), float(image.max())
    levels = (image - low) / ((high - low) or 1.0)
    shown = np.repeat(levels, 3, axis=0) if len(levels) == 1 else levels[:3]
    plain = 255.0 * shown.transpose(1, 2, 0)
    pale = 255.0 - 0.4 * (255.0 - plain.mean(axis=2, keepdims=True))
    strength = (attribution / (float(np.abs(attribution).max()) or 1.0))[..., None]
    ink = np.where(strength > 0, _FOR, _AGAINST)
    heat = pale + np.abs(strength) * (ink - pale)
    factor = max(1, -(-_SIDE // max(attribution.shape)))
    both = [np.repeat(np.repeat(each, factor, axis=0), factor, axis=1) for each in (plain, heat)]
    gap = np.full((both[0].shape[0], _GAP, 3), 255.0)
    return np.concatenate([both[0], gap, both[1]], axis=1).round().clip(0, 255).astype(np.uint8)
