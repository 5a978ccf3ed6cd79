"""The most confident mistakes on images as one picture, for TensorBoard."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightune.reporting.png import font_of
from lightune.wording import clipped

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MOST", "mistakes_picture"]

MOST = 24
"""Images of a picture."""

_COLUMNS, _SIDE, _CAPTION, _GAP = 6, 96, 30, 6  # images, pixels
_LETTERS = 14  # of a class's name


def mistakes_picture(
    images: NDArray[np.generic], targets: Sequence[str], predicted: Sequence[str]
) -> NDArray[np.uint8]:
    """Draw images with what they are and what they were taken for below each.

    Args:
        images: (n, C, H, W) of one channel or three, n > 0, `MOST` at most; each is drawn from its least value to
            its greatest.
        targets: what each is.
        predicted: what each was taken for.

    Returns:
        The picture (H, W, 3) uint8.
    """
    from PIL import Image, ImageDraw  # late: most runs draw nothing

    columns, lines = min(len(images), _COLUMNS), -(-len(images) // _COLUMNS)
    size = (columns * (_SIDE + _GAP) + _GAP, lines * (_SIDE + _CAPTION + _GAP) + _GAP)
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), font_of(11)
    for place, (image, target, choice) in enumerate(zip(images, targets, predicted, strict=True)):
        left = _GAP + place % _COLUMNS * (_SIDE + _GAP)
        top = _GAP + place // _COLUMNS * (_SIDE + _CAPTION + _GAP)
        picture.paste(_drawn(image), (left, top))
        said = (clipped(target, _LETTERS), f"not {clipped(choice, _LETTERS)}")
        for line, text in enumerate(said):
            draw.text((left, top + _SIDE + 2 + line * 13), text, fill="black", font=font, anchor="la")
    return np.asarray(picture)


def _drawn(image: NDArray[np.generic]) -> "Image.Image":
    from PIL import Image

    values = np.moveaxis(image.astype(np.float64), 0, -1)
    low, high = values.min(), values.max()
    shades = (255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)
    whole = np.repeat(shades, 3, axis=2) if shades.shape[2] == 1 else shades
    height, width = whole.shape[:2]
    scale = _SIDE / max(height, width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    return Image.fromarray(whole).resize(fitted, way)
