"""Image files as tensors of one size: one decoder and one way to resize, for training and for prediction."""

import io
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional

__all__ = ["IMAGE_SUFFIXES", "ImageFormat", "Resize", "read_image", "read_pixels", "resized"]

Resize = Literal["squash", "crop", "pad"]
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})

_LARGEST = 2**16 - 1
_DAMAGED = (ValueError, SyntaxError, TypeError, LookupError, EOFError, OverflowError, struct.error)


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
    """Return an image (C, H, W) uint8 in the wanted size.

    Args:
        source: a file, or its content.
        wanted: what it becomes.

    Raises:
        OSError: if the file cannot be read.
        ValueError: as `read_pixels`.
    """
    return resized(read_pixels(source, wanted.channels), wanted)


def read_pixels(source: Path | bytes, channels: int) -> Tensor:
    """Return an image (C, H, W) uint8 in its own size, upright as its EXIF says.

    Of an animated one it is the first picture. Transparency is left out, 16 bits are cut to 8, other colours
    (CMYK, palettes) are converted.

    Args:
        source: a file, or its content.
        channels: 1 for grey, 3 for colour.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no image, or a damaged one, or far too large.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    if not content:
        raise ValueError("is empty")
    return _decoded(content, channels)


def resized(image: Tensor, wanted: ImageFormat) -> Tensor:
    """Return an image (C, H, W) uint8 in the wanted size, antialiased."""
    height, width = image.shape[-2:]
    size = [wanted.size, wanted.size]
    if wanted.resize == "crop":
        image = functional.center_crop(image, [min(height, width)] * 2)
    elif wanted.resize == "pad":
        scale = wanted.size / max(height, width)
        sides = [max(1, round(height * scale)), max(1, round(width * scale))]
        image = functional.resize(image, sides, antialias=True)
        padded: Tensor = functional.center_crop(image, size)
        return padded  # cropping puts black beside what is too short
    squashed: Tensor = functional.resize(image, size, antialias=True)
    return squashed


def _decoded(content: bytes, channels: int) -> Tensor:
    """Return an image (C, H, W) uint8 in its own size."""
    try:
        opened = Image.open(io.BytesIO(content))
        opened.load()
        upright = ImageOps.exif_transpose(opened)
        array = np.array(_eight_bits(upright).convert("L" if channels == 1 else "RGB"))
    except UnidentifiedImageError as error:
        raise ValueError("is no picture") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels") from error
    except (OSError, *_DAMAGED) as error:
        raise ValueError(f"cannot be decoded ({error})") from error
    image = torch.from_numpy(array)
    return image.unsqueeze(0) if image.ndim == 2 else image.permute(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image whose grey values of 16 bits, if it has such, are of 8; others as they are."""
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA")
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > _LARGEST:
        raise ValueError("its grey values are neither of 8 nor of 16 bits")
    return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
