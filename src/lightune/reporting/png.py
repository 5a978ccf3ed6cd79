"""Pictures as PNG files."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightune.runtime.atomic_files import write_whole

__all__ = ["write_png"]


def write_png(file: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture (H, W, 3) uint8 whole or not at all."""
    from PIL import Image  # late: most runs draw nothing

    content = io.BytesIO()
    Image.fromarray(picture).save(content, format="PNG")
    write_whole(file, content.getvalue())
