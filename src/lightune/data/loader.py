"""Batches of tensors that lie in memory, taken by index: no worker processes, no copies of single samples."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]


class TensorLoader:
    """Iterate over (input, target) batches.

    The order of an epoch depends on the seed and the epoch's number alone, so that it can be had again.

    Args:
        inputs: (N, …).
        targets: (N,) or (N, T).
        batch_size: samples a batch, > 0; the last batch may be smaller.
        shuffle: whether each epoch has an order of its own; without it samples come as they lie.
        seed: of the order.
        epoch: tells the number of the epoch that begins.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.batch_size = min(batch_size, len(targets))
        self.shuffle = shuffle
        self.seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.targets) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if not self.shuffle:
            parts = torch.split(self.inputs, self.batch_size), torch.split(self.targets, self.batch_size)
            yield from zip(*parts, strict=True)
            return
        for rows in torch.split(self.order().to(self.targets.device), self.batch_size):
            yield self.inputs[rows], self.targets[rows]

    def order(self) -> Tensor:
        """Return the row numbers (N,) int64 of the epoch that begins, in the order they are taken."""
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self._epoch()))
        return torch.randperm(len(self.targets), generator=generator)


def epoch_seed(seed: int, epoch: int) -> int:
    """Mix a run's seed and an epoch's number, so that neighbouring seeds share no epoch's order."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**63
