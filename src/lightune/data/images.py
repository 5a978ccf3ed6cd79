"""Image sets that torchvision loads, from files in a folder."""

import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from lightune.data.memory import BatchSize, InMemoryData
from lightune.data.placement import Placement
from lightune.data.samples import Samples
from lightune.data.scaling import ImageScaling
from lightune.paths import expanded
from lightune.ranges import NonNegativeInt

Dataset = Literal["MNIST", "FashionMNIST", "CIFAR10", "CIFAR100"]

_FILES = {
    "MNIST": "MNIST/raw/*-ubyte",
    "FashionMNIST": "FashionMNIST/raw/*-ubyte",
    "CIFAR10": "cifar-10-batches-py/",
    "CIFAR100": "cifar-100-python/",
}


class TorchvisionImages(InMemoryData):
    """MNIST, Fashion-MNIST, CIFAR-10 or CIFAR-100, with the official test split.

    Args:
        dataset: torchvision's name of the set.
        root: folder that holds the set's files in torchvision's layout.
        download: whether to fetch what is missing.
        batch_size: samples a training batch, > 0, or `full` for all of them at once.
        scaling: how pixels are scaled, with statistics of the training part only.
        placement: where samples lie: `device`, `host`, `stream`; `auto` looks at the memory that is free.
        num_workers: processes that prepare batches of a stream, >= 0.
    """

    kind = "image"

    def __init__(
        self,
        dataset: Dataset,
        root: str = "data",
        download: bool = True,
        batch_size: BatchSize = 128,
        scaling: ImageScaling = "standard",
        placement: Placement = "auto",
        num_workers: NonNegativeInt = 2,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            scaling=scaling,
            root=expanded(root),
            placement=placement,
            num_workers=num_workers,
        )
        self.dataset = dataset
        self.download = download

    def load(self) -> Samples:
        """Return inputs (N, C, H, W) uint8, the official test split last."""
        train, test = self._open(train=True), self._open(train=False)
        return Samples(
            torch.cat([_images(train.data), _images(test.data)]),
            torch.cat([torch.as_tensor(train.targets), torch.as_tensor(test.targets)]),
            num_classes=len(train.classes),
            official_test=len(test.targets),
        )

    def _open(self, *, train: bool) -> Any:
        import torchvision

        factory = getattr(torchvision.datasets, self.dataset)
        try:
            return factory(self.root, train=train, download=False)
        except (RuntimeError, ValueError, AssertionError) as error:
            if "not found" not in str(error):  # what torchvision says of files that are not there
                reason = str(error) or "its files are shorter than they say"
                raise ValueError(f"{self.dataset} in {Path(self.root).absolute()} is damaged: {reason}") from error
            if not self.download:
                raise FileNotFoundError(self._advice("")) from error
        before = _folders(self.root)
        try:
            return factory(self.root, train=train, download=True)
        except (OSError, RuntimeError) as error:
            for folder in sorted(_folders(self.root) - before, reverse=True):
                if not any(folder.iterdir()):
                    folder.rmdir()  # a download that failed leaves empty folders
            raise FileNotFoundError(self._advice(" and could not be downloaded")) from error

    def _advice(self, also: str) -> str:
        folder = Path(self.root).absolute()
        return (
            f"{self.dataset} is not in {folder}{also}; "
            f"put its files at {folder / _FILES[self.dataset]}, or set data.root to the folder that has them"
        )


def _folders(root: str) -> set[Path]:
    """Return a folder and all below it, as far as they exist."""
    return {Path(folder) for folder, _, _ in os.walk(root)}


def _images(data: Any) -> Tensor:
    tensor = torch.as_tensor(data)
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)
