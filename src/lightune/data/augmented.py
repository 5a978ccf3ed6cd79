"""Batches of training samples that are gathered as they were read, varied, and then prepared."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightune.augmentation import Augmentation, ValueRange
from lightune.data.loader import Batch, TensorLoader
from lightune.data.wrapped import Ordered, WrappedLoader

__all__ = ["AugmentedLoader", "RawLoader", "Variation"]


@dataclass(frozen=True)
class Variation:
    """How the training samples of one fit are varied and prepared.

    Args:
        augmentation: the strengths, at least one of them not zero.
        kind: what the samples are.
        values: of the training samples as they were read.
        preparation: maps samples (B, …) float32, varied or not, to inputs.
        seed: of the fit.
    """

    augmentation: Augmentation
    kind: Literal["image", "audio"]
    values: ValueRange
    preparation: nn.Module
    seed: int

    def __call__(self, raw: Tensor, rows: Tensor, epoch: int) -> Tensor:
        """Return inputs (B, …) float32 for an epoch.

        Args:
            raw: (B, …) as they were read.
            rows: (B,) int64, their numbers in the training part.
            epoch: from 0.
        """
        how: Any = {"seed": self.seed, "epoch": epoch, "values": self.values, "kind": self.kind}
        inputs: Tensor = self.preparation(self.augmentation(raw, rows, **how))
        return inputs

    def on(self, device: torch.device) -> "Variation":
        """Return the same for samples that lie on a device."""
        if device.type == "cpu":
            return self
        return replace(self, preparation=copy.deepcopy(self.preparation).to(device))


class RawLoader(WrappedLoader):
    """Iterate over (samples as they were read, their numbers in the training part, targets).

    Args:
        samples: (N, …) all of them, as they were read.
        rows: (n,) int64, places of the training part among them.
        order: gives out numbers in the training part in the place of inputs.
    """

    def __init__(self, samples: Tensor, rows: Tensor, order: TensorLoader) -> None:
        super().__init__(order)
        self._samples, self._rows = samples, rows

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input, which is float32."""
        return self._samples[:1].numel() * torch.float32.itemsize

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for numbers, targets in self.order:
            yield self._samples[self._rows[numbers]], numbers, targets


class AugmentedLoader(WrappedLoader):
    """Iterate over batches of samples that are varied and prepared when their turn comes, on the device.

    What comes out depends on the seed, the epoch and a sample's number alone, not on how batches are given out.

    Args:
        raw: gives out (samples as they were read, their numbers in the training part, targets).
        variation: what is done to them.
        device: where.
        epoch: returns the number of the epoch that begins, from 0.
    """

    def __init__(self, raw: Ordered, variation: Variation, device: torch.device, epoch: Callable[[], int]) -> None:
        super().__init__(raw)
        self._variation, self._device, self._epoch = variation, device, epoch

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input."""
        return self.order.sample_bytes

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._epoch()
        for raw, numbers, targets in self.order:
            samples, numbers = (part.to(self._device, non_blocking=True) for part in (raw, numbers))
            yield self._variation(samples, numbers, epoch), targets
