"""Folders of pictures, decoded and brought to one size."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightune.data.class_names import PosLabel
from lightune.data.file_folder import SAMPLE_LABELS, FileFolder, OnUnreadable
from lightune.data.image_files import IMAGE_SUFFIXES, ImageFormat, Resize, read_image, read_pixels
from lightune.data.memory import BatchSize
from lightune.data.placement import Placement
from lightune.data.row_digests import Duplicates
from lightune.data.scaling import ImageScaling, Scaling
from lightune.ranges import NonNegativeInt, PositiveInt

__all__ = ["ImageFolder", "ImageRegression"]

_TURNED = 45  # degrees, that a picture of the sample is turned by at most, either way


class ImageFolder(FileFolder):
    """Pictures in a folder a class, decoded and brought to one size.

    Args:
        path: the folder, with a folder a class, or with `train`, `val` and `test` of such; None for the sample
            that comes with lightune, scikit-learn's handwritten digits.
        image_size: height and width in pixels, > 0.
        resize: `squash` stretches a picture, `crop` cuts off what is too long, `pad` puts black beside it.
        channels: 1 for grey, 3 for colour.
        classes: names of the classes, in their order; others are left out. None for all that there are.
        labels: a table with the columns `path` and `target`, and perhaps `split` and `group`.
        on_unreadable: whether a file that cannot be decoded is refused, or left out and told.
        duplicates: what is done with equal pictures: `together` keeps them on one side of each split, `drop` keeps
            the first, `keep` divides them like others.
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        scaling: how pixels are scaled, with statistics of the training part only, per channel.
        placement: where samples lie: `device`, `host`, `stream`; `auto` looks at the memory that is free.
        num_workers: processes that prepare batches of a stream, and threads that decode files, >= 0.
        cache: whether what was decoded is kept below the output root, for the next start of the same data.
        output_root: the folder; None to keep nothing.
        target_scaling: how the values of regression are scaled; losses see scaled ones, metrics the real ones.
        pos_label: of two classes the positive one, which precision, recall and the like are of; None for the last.
    """

    kind = "image"
    suffixes = IMAGE_SUFFIXES
    instead = "image_regression"
    decoded_dtype = torch.uint8

    def __init__(
        self,
        path: str | None = None,
        image_size: PositiveInt = 64,
        resize: Resize = "squash",
        channels: Literal[1, 3] = 3,
        classes: list[str] | None = None,
        labels: str | None = None,
        on_unreadable: OnUnreadable = "refuse",
        duplicates: Duplicates = "together",
        batch_size: BatchSize = 64,
        scaling: ImageScaling = "standard",
        placement: Placement = "auto",
        num_workers: NonNegativeInt = 2,
        cache: bool = True,
        output_root: str | None = None,
        target_scaling: Scaling = "standard",
        pos_label: PosLabel = None,
    ) -> None:
        served = {"batch_size": batch_size, "scaling": scaling, "placement": placement, "num_workers": num_workers}
        served["target_scaling"] = target_scaling
        super().__init__(path, classes, labels, on_unreadable, duplicates, cache, output_root, **served)
        self.pos_label = pos_label
        self.format = ImageFormat(image_size, resize, channels)

    def read_files(self, paths: Sequence[Path]) -> tuple[Tensor, dict[int, str]]:
        """Decode pictures (N, C, H, W) uint8; return them, and place → why one cannot be decoded."""
        images = torch.zeros((len(paths), *self.format.shape), dtype=torch.uint8)
        return images, self._fill(images, lambda place: read_image(paths[place], self.format))

    @property
    def decoded_shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) of a decoded picture."""
        return self.format.shape

    def read_original(self, path: Path) -> Tensor:
        """Decode a picture (C, H, W) uint8 in its own size."""
        return read_pixels(path, self.format.channels)

    def schema_of_files(self) -> Mapping[str, Any]:
        """Return what another picture is decoded by."""
        return {"kind": "image", **self.format.plain()}

    def unpack_sample(self, folder: Path) -> None:
        """Write scikit-learn's digits as PNG files, a folder a class."""
        for number, (image, label) in enumerate(_digits()):
            home = folder / str(label)
            home.mkdir(exist_ok=True)
            image.save(home / f"{number:04}.png")


class ImageRegression(ImageFolder):
    """Pictures with a number to predict for each; the arguments are those of `ImageFolder`, but for `classes`.

    Without a path they are scikit-learn's handwritten digits, each turned by an angle, which is to be predicted.
    """

    problem = "regression"
    instead = "image_folder"

    def unpack_sample(self, folder: Path) -> None:
        """Write scikit-learn's digits as PNG files of 32x32 pixels, each turned, and the angles in degrees."""
        angles = np.random.default_rng(0).uniform(-_TURNED, _TURNED, 2000).round(1)
        lines = ["path,target"]
        for number, ((image, _), angle) in enumerate(zip(_digits(), angles.tolist(), strict=False)):
            name = f"{number:04}.png"
            image.resize((32, 32), Image.Resampling.BILINEAR).rotate(angle, Image.Resampling.BILINEAR).save(
                folder / name
            )
            lines.append(f"{name},{angle}")
        (folder / SAMPLE_LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _digits() -> Iterator[tuple[Image.Image, int]]:
    """Yield scikit-learn's handwritten digits as grey pictures of 8x8 pixels, and what each shows."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    for image, label in zip(bunch.images, bunch.target.tolist(), strict=True):
        yield Image.fromarray(np.rint(image * 255 / 16).astype(np.uint8)), label
