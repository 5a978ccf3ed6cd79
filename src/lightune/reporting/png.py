"""Pictures as PNG files, and the letters in them."""

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightune.runtime.atomic_files import write_whole

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["font_of", "write_png"]


def write_png(file: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture (H, W, 3) uint8 whole or not at all."""
    from PIL import Image  # late: most runs draw nothing

    content = io.BytesIO()
    Image.fromarray(picture).save(content, format="PNG")
    write_whole(file, content.getvalue())


@cache
def font_of(size: int) -> "FreeTypeFont | ImageFont":
    """Return the letters of a size in pixels; they are unpacked once."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
