"""Image files as tensors of one size: one decoder and one way to resize, for training and for prediction."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2 import functional

__all__ = ["IMAGE_SUFFIXES", "ImageFormat", "Resize", "read_image"]

Resize = Literal["squash", "crop", "pad"]
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})

_BY_TORCHVISION = (b"\xff\xd8\xff", b"\x89PNG")


@dataclass(frozen=True)
class ImageFormat:
    """What every image becomes.

    Args:
        size: height and width in pixels, > 0.
        resize: `squash` stretches it, `crop` cuts off what is too long, `pad` puts black beside what is too short.
        channels: 1 for grey, 3 for colour.
    """

    size: int
    resize: Resize = "squash"
    channels: int = 3

    def plain(self) -> dict[str, Any]:
        """Return it as numbers and texts."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return what `plain` was made of."""
        return cls(int(plain["size"]), plain["resize"], int(plain["channels"]))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of an image."""
        return self.channels, self.size, self.size


def read_image(source: Path | bytes, wanted: ImageFormat) -> Tensor:
    """Return an image (C, H, W) uint8, upright as its EXIF says; of an animated one the first picture.

    Args:
        source: a file, or its content.
        wanted: what it becomes.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no image, or a damaged one.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    if not content:
        raise ValueError("is empty")
    return resized(_decoded(content, wanted.channels), wanted)


def resized(image: Tensor, wanted: ImageFormat) -> Tensor:
    """Return an image (C, H, W) uint8 in the wanted size, antialiased."""
    height, width = image.shape[-2:]
    size = wanted.size
    if wanted.resize == "squash":
        squashed: Tensor = functional.resize(image, [size, size], antialias=True)
        return squashed
    scale = size / (min if wanted.resize == "crop" else max)(height, width)
    image = functional.resize(image, [max(1, round(height * scale)), max(1, round(width * scale))], antialias=True)
    cropped: Tensor = functional.center_crop(image, [size, size])
    return cropped  # cropping puts black beside what is too short


def _decoded(content: bytes, channels: int) -> Tensor:
    """Return an image (C, H, W) uint8 in its own size."""
    if content.startswith(_BY_TORCHVISION):
        mode = ImageReadMode.GRAY if channels == 1 else ImageReadMode.RGB
        encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        try:
            image: Tensor = decode_image(encoded, mode=mode, apply_exif_orientation=True)
        except RuntimeError as error:
            raise ValueError(f"cannot be decoded ({str(error).splitlines()[0]})") from error
        return image if image.dtype == torch.uint8 else functional.to_dtype(image, torch.uint8, scale=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
            if opened.mode.startswith("I"):
                opened = Image.fromarray((np.asarray(opened).astype(np.uint32) >> 8).astype(np.uint8))
            array = np.array(opened.convert("L" if channels == 1 else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded ({error})") from error
    image = torch.from_numpy(array)
    return image.unsqueeze(0) if image.ndim == 2 else image.permute(2, 0, 1)
