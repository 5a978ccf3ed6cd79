"""Data that divide themselves, divided anew: folds of a LightningDataModule that knows nothing of them.

Its training and validation samples are numbered one after the other, and each fit is given its own by number. The
test part stays what it is. What a batch is, how it is moved, and how many workers make it, stays the module's own.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)

from lightune.validation import Split
from lightune.validation.splits import Rows

__all__ = ["IndexedData", "fingerprint_of"]

_LABELS = ("targets", "labels")
_BYTES_AT_ONCE = 16_000_000


class IndexedData(LightningDataModule):
    """Give each fit the training and validation samples of its own division.

    Args:
        own: the module; it has been set up for fitting.

    Raises:
        ValueError: if its samples cannot be had by number, or in any other order than its own.
    """

    def __init__(self, own: LightningDataModule) -> None:
        super().__init__()
        self.own = own
        self._loaders = {part: _loader_of(own, part) for part in ("train", "val")}
        self._dataset: ConcatDataset[Any] = ConcatDataset([each.dataset for each in self._loaders.values()])
        self._split: Split | None = None
        self._seed = 0
        if not is_overridden("test_dataloader", own, LightningDataModule):
            self.test_dataloader = super().test_dataloader  # type: ignore[method-assign]  # there is none

    def __getattr__(self, name: str) -> Any:
        """Return what the module tells of itself, such as `num_classes`."""
        if name == "own":
            raise AttributeError(name)
        return getattr(self.own, name)

    @property
    def rows(self) -> Rows:
        """What a division needs to know of the samples: classes only where the datasets tell them.

        A test part is not among them; one stands for it, as every division has one.
        """
        labels = _labels_of(self._dataset)
        count = len(self._dataset)
        return Rows(count + 1, None if labels is None else np.append(labels, labels[-1:]), official_test=1)

    def divide(self, split: Split, *, seed: int) -> None:
        """Set a division.

        Args:
            split: which rows serve for what.
            seed: of the order of training batches.
        """
        self._split, self._seed = split, seed

    def rows_of(self, part: str) -> NDArray[np.int64]:
        """Return the numbers of the samples of a part, in the order in which it is served."""
        assert self._split is not None, "divide comes first"
        rows: NDArray[np.int64] = getattr(self._split, part)
        return rows

    def setup(self, stage: str) -> None:
        """Let the module get its test part ready; the others are there."""
        self.own.trainer = self.trainer
        if stage not in ("fit", "validate"):
            self.own.setup(stage)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return batches of the training samples of the fit, in an order that its seed says."""
        return self._batches("train", shuffle=isinstance(self._loaders["train"].sampler, RandomSampler))

    def val_dataloader(self) -> DataLoader[Any]:
        """Return batches of the validation samples of the fit."""
        return self._batches("val", shuffle=False)

    def test_dataloader(self) -> Any:
        """Return the module's own."""
        return self.own.test_dataloader()

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Do what the module does."""
        return self.own.on_before_batch_transfer(batch, dataloader_idx)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Do what the module does."""
        return self.own.transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Do what the module does."""
        return self.own.on_after_batch_transfer(batch, dataloader_idx)

    def _batches(self, part: str, *, shuffle: bool) -> DataLoader[Any]:
        loader = self._loaders[part]
        return DataLoader(
            Subset(self._dataset, self.rows_of(part).tolist()),
            batch_size=loader.batch_size,
            shuffle=shuffle,
            generator=torch.Generator().manual_seed(self._seed),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            drop_last=loader.drop_last,
            worker_init_fn=loader.worker_init_fn,
            persistent_workers=loader.persistent_workers,
        )


def _loader_of(own: LightningDataModule, part: str) -> DataLoader[Any]:
    """Return the module's loader of a part, whose samples can be had by number.

    Raises:
        ValueError: if they cannot.
    """
    name, kind = f"{part}_dataloader", type(own).__name__
    loader = getattr(own, name)() if is_overridden(name, own, LightningDataModule) else None
    by_number = isinstance(loader, DataLoader) and hasattr(loader.dataset, "__len__")
    if not isinstance(loader, DataLoader) or not by_number or isinstance(loader.dataset, IterableDataset):
        what = "nothing" if loader is None else f"a {type(loader).__name__}"
        if isinstance(loader, DataLoader):
            what = f"a dataset without numbers, {type(loader.dataset).__name__}"
        rule = f"{kind} divides itself, and can be divided anew if {name} returns one DataLoader of a dataset that"
        raise ValueError(f"{rule} has __getitem__ and __len__; it returns {what}")
    if loader.batch_size is None or not isinstance(loader.sampler, RandomSampler | SequentialSampler):
        sampler = loader.batch_sampler if loader.batch_size is None else loader.sampler
        rule = f"{kind} divides itself, and cannot be divided anew: {name} has a sampler of its own"
        raise ValueError(f"{rule}, {type(sampler).__name__}")
    return loader


def _labels_of(dataset: Dataset[Any]) -> NDArray[np.int64] | None:
    """Return the class of each sample, if a dataset tells without making samples; None if not."""
    if isinstance(dataset, ConcatDataset):
        parts = [_labels_of(each) for each in dataset.datasets]
        return None if any(each is None for each in parts) else np.concatenate(parts)  # type: ignore[arg-type]
    if isinstance(dataset, Subset):
        whole = _labels_of(dataset.dataset)
        return None if whole is None else whole[np.asarray(dataset.indices)]
    told: Any = dataset.tensors[-1] if isinstance(dataset, TensorDataset) else None
    told = (
        next((getattr(dataset, name) for name in _LABELS if hasattr(dataset, name)), None)
        if told is None
        else told
    )
    with suppress(TypeError, ValueError):
        labels = np.asarray(told)
        if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer):
            return labels.astype(np.int64)
    return None


def fingerprint_of(data: LightningDataModule) -> str | None:
    """Return a digest of all samples of data that divide themselves; None unless they are tensors.

    Args:
        data: set up for fitting.
    """
    digest, own = hashlib.blake2b(digest_size=16), data.own if isinstance(data, IndexedData) else data
    for part in ("train", "val", "test"):
        with suppress(Exception):  # a part that is not there, or not ready, is left out
            for tensors, rows in _tensors_of(getattr(own, f"{part}_dataloader")().dataset):
                digest.update(f"{part} {len(rows)}".encode())
                _take_in(digest, tensors, rows)
            continue
        if part == "train":
            return None
    return digest.hexdigest()


def _tensors_of(dataset: Any) -> Iterator[tuple[Sequence[Tensor], Tensor]]:
    if isinstance(dataset, ConcatDataset):
        for each in dataset.datasets:
            yield from _tensors_of(each)
    elif isinstance(dataset, Subset):
        indices = torch.as_tensor(dataset.indices)
        for tensors, rows in _tensors_of(dataset.dataset):
            yield tensors, rows[indices]
    elif isinstance(dataset, TensorDataset):
        yield dataset.tensors, torch.arange(len(dataset))
    else:
        raise TypeError(type(dataset).__name__)


def _take_in(digest: Any, tensors: Sequence[Tensor], rows: Tensor) -> None:
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape[1:])}".encode())
        for some in torch.split(rows, max(1, _BYTES_AT_ONCE // max(1, tensor[:1].nbytes))):
            digest.update(tensor[some].contiguous().numpy().data)
