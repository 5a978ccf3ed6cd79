"""Batches that worker processes prepare while the device computes: for data that are too large to lie ready."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

from lightune.data.loader import Batch, TensorLoader
from lightune.data.wrapped import WrappedLoader
from lightune.private_api.torch import empty_shared, end_workers

_BATCHES_AHEAD = 2  # a worker
_BYTES_TOGETHER = 2**20  # of samples that are prepared at a time


class StreamLoader(WrappedLoader):
    """Iterate over batches of a `TensorLoader`, of samples that are gathered and prepared when their turn comes.

    Args:
        inputs: of all samples, as they were read.
        targets: of all samples.
        preparation: maps samples as read to inputs float32; None leaves them as they are, for an
            `AugmentedLoader`, and gives out (samples, their numbers in the training part, targets).
        dtype: in which it is given samples.
        order: gives out the places of samples in their stead; without a preparation, their numbers in `rows`.
        rows: (n,) int64, places of the samples of the part.
        num_workers: processes that prepare batches, >= 0; none of them means this one.
        pin_memory: whether batches lie where a GPU can fetch them by itself.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        preparation: nn.Module | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        order: TensorLoader,
        rows: Tensor | None = None,
        num_workers: int,
        pin_memory: bool,
    ) -> None:
        super().__init__(order)
        self._chunks: list[NDArray[np.int64]] = []
        self._loader: DataLoader[Any] = DataLoader(
            _rows(inputs, targets, preparation, dtype, rows),
            batch_sampler=self._chunks,  # type: ignore[arg-type]
            num_workers=num_workers,
            prefetch_factor=_BATCHES_AHEAD if num_workers else None,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # its seeds for workers must not be taken from the network's numbers
        )
        first = inputs[:1].to(dtype)
        self.sample_bytes = first.nbytes if preparation is None else preparation(first).nbytes

    def __iter__(self) -> Iterator[Any]:
        states = []
        self._chunks.clear()
        for rows, _ in self.order:
            self._chunks.append(rows.numpy())
            states.append(self.order.state_dict())
        for state, batch in zip(states, self._loader, strict=True):
            self._given = state  # workers are ahead of what was given out
            yield batch

    def close(self) -> None:
        """End the workers; who iterates again starts new ones.

        Left to the garbage collector they outlive this training: workers of later ones inherit the pipes that tie
        them to this process, so they never hear that it is done, and joining them hangs.
        """
        end_workers(self._loader)


class _Rows(Dataset[Any]):
    def __init__(self, inputs: Tensor, targets: Tensor, preparation: nn.Module, dtype: torch.dtype) -> None:
        self._inputs, self._targets, self._preparation, self._dtype = inputs, targets, preparation, dtype

    def __getitem__(self, row: int) -> Batch:
        return self._inputs[row], self._targets[row]

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """Return a whole batch at once, which is what DataLoader asks for first."""
        chosen = torch.as_tensor(rows)
        return self._prepared(chosen), self._targets[chosen]

    def _prepared(self, chosen: Tensor) -> Tensor:
        """Return prepared samples, some of which are made at a time, where they are taken from."""
        together = max(1, _BYTES_TOGETHER // max(1, self._inputs[:1].numel() * torch.float32.itemsize))
        made, first = None, 0
        for rows in torch.split(chosen, together):
            part = self._preparation(self._inputs[rows].to(self._dtype))
            if made is None:
                made = _empty((len(chosen), *part.shape[1:]), part.dtype)
            made[first : first + len(part)] = part
            first += len(part)
        assert made is not None, "a batch has samples"
        return made


class _RawRows(Dataset[Any]):
    def __init__(self, inputs: Tensor, targets: Tensor, rows: Tensor) -> None:
        self._inputs, self._targets, self._rows = inputs, targets, rows

    def __getitem__(self, number: int) -> Batch:
        return self._inputs[self._rows[number]], self._targets[self._rows[number]]

    def __getitems__(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return a whole batch of samples as they were read, with their numbers."""
        chosen = torch.as_tensor(numbers)
        rows = self._rows[chosen]
        made = _empty((len(rows), *self._inputs.shape[1:]), self._inputs.dtype)
        return torch.index_select(self._inputs, 0, rows, out=made), chosen, self._targets[rows]


def _empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a tensor without values: in a worker, where the other process takes it from."""
    return torch.empty(*shape, dtype=dtype) if get_worker_info() is None else empty_shared(shape, dtype)


def _rows(
    inputs: Tensor, targets: Tensor, preparation: nn.Module | None, dtype: torch.dtype, rows: Tensor | None
) -> Dataset[Any]:
    if preparation is not None:
        return _Rows(inputs, targets, preparation, dtype)
    return _RawRows(inputs, targets, torch.arange(len(inputs)) if rows is None else rows)


def _as_it_is(batch: Any) -> Any:
    return batch
