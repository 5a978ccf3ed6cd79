"""Batches of training samples of which each is mixed with the next in the epoch's order."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lightune.augmentation.mixing import Mixing
from lightune.data.wrapped import Ordered, WrappedLoader

__all__ = ["MixedLoader"]


class MixedLoader(WrappedLoader):
    """Mix the samples of a loader's batches: each with the one that comes next in the epoch's order.

    Classes are given out as (inputs, targets, targets of the partners, shares of the targets); values to predict
    are mixed as inputs are. What comes out depends on the seed, the epoch and the order alone, not on how batches
    are given out.

    Args:
        loader: gives out (inputs, rows), n of a batch and their partners behind them, as `TensorLoader` does with
            `partners`.
        mixing: the strengths.
        targets: (N,) int64 or (N, T) float, of all rows.
        device: where samples are mixed.
        seed: of the fit.
        epoch: returns the number of the epoch that begins, from 0.
        processes: how many share the samples.
    """

    def __init__(
        self,
        loader: Ordered,
        mixing: Mixing,
        targets: Tensor,
        *,
        device: torch.device,
        seed: int,
        epoch: Callable[[], int],
        processes: int = 1,
    ) -> None:
        super().__init__(loader)
        self._mixing, self._targets, self._device = mixing, targets.to(device), device
        self._seed, self._epoch, self._processes = seed, epoch, processes

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input."""
        return self.order.sample_bytes

    def __iter__(self) -> Iterator[Any]:
        epoch = self._epoch()
        for inputs, rows in self.order:
            given, all_rows = (part.to(self._device, non_blocking=True) for part in (inputs, rows))
            count = len(rows) - 1 if self._processes == 1 else len(rows) // 2
            own, partner = slice(count), slice(len(rows) - count, None)
            mixed, shares = self._mixing(given[own], given[partner], all_rows[own], seed=self._seed, epoch=epoch)
            target, other = self._targets[all_rows[own]], self._targets[all_rows[partner]]
            if target.is_floating_point():
                yield mixed, other + (target - other) * shares.to(target.dtype).unsqueeze(1)
            else:
                yield mixed, target, other, shares
