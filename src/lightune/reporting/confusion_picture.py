"""A confusion matrix as a picture, for TensorBoard."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightune.reporting.png import font_of

__all__ = ["confusion_picture"]

_MOST_NAMED, _MOST_NUMBERED = 60, 25  # classes
_LETTERS = 14  # of a class's name
_INK = np.array([31, 78, 140])


def confusion_picture(confusion: NDArray[np.int64], classes: Sequence[str]) -> NDArray[np.uint8]:
    """Draw a confusion matrix: a row a true class, a column a predicted one; the darker, the larger its share.

    Args:
        confusion: (C, C) counts.
        classes: names of the C classes.

    Returns:
        The picture (H, W, 3) uint8.
    """
    from PIL import Image, ImageDraw  # late: most runs draw nothing

    count = len(confusion)
    side = 36 if count <= _MOST_NUMBERED else 14 if count <= _MOST_NAMED else max(2, 800 // count)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    colours = (255 - shares[..., None] * (255 - _INK)).astype(np.uint8)
    cells = np.repeat(np.repeat(colours, side, axis=0), side, axis=1)
    if count > _MOST_NAMED:
        return cells
    font = font_of(11)
    named = [name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…" for name in classes]
    edge = 8 + max(int(font.getlength(name)) for name in named)
    picture = Image.new("RGB", (edge + count * side, count * side + edge), "white")
    picture.paste(Image.fromarray(cells), (edge, 0))
    draw = ImageDraw.Draw(picture)
    for place, name in enumerate(named):
        draw.text((edge - 4, place * side + side // 2), name, fill="black", font=font, anchor="rm")
        upright = Image.new("RGB", (edge, side), "white")
        ImageDraw.Draw(upright).text((edge - 4, side // 2), name, fill="black", font=font, anchor="rm")
        picture.paste(upright.rotate(90, expand=True), (edge + place * side, count * side))
    if count <= _MOST_NUMBERED:
        for row, column in zip(*confusion.nonzero(), strict=True):
            middle = edge + column * side + side // 2, row * side + side // 2
            ink = "white" if shares[row, column] > 0.5 else "black"
            draw.text(middle, str(confusion[row, column]), fill=ink, font=font, anchor="mm")
    return np.asarray(picture)
