"""The batches of several members: each in its own order, gathered with one index operation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightune.data import InMemoryData
from lightune.data.loader import TensorLoader
from lightune.data.scaling import Affine


@dataclass(frozen=True)
class StackedBatch:
    """One batch of each member.

    Args:
        x: (M, B, …).
        wanted: what the loss sees, (M, B, …): targets, scaled where the member scales them.
        target: the targets as they are, (M, B, …).
    """

    x: Tensor
    wanted: Tensor
    target: Tensor


class StackedData:
    """Serve the training and validation parts of M members.

    Members that hold the same data object share its tensors. Sizes of parts must agree.

    Attributes:
        epochs: of each member the epoch that is served next, from 0.

    Args:
        data: the members' data, divided.
        dtype: of inputs, and of targets that are values.
        device: where the samples lie.

    Raises:
        ValueError: if the members' parts or batches differ in size.
    """

    def __init__(
        self,
        data: Sequence[InMemoryData],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._dtype, self._device = dtype, torch.device(device)
        self.epochs = [0] * len(data)
        self._lay_out(data)

    def _lay_out(self, data: Sequence[InMemoryData]) -> None:
        self._unique = list({id(member): member for member in data}.values())
        numbers = {id(member): index for index, member in enumerate(self._unique)}
        self._source = [numbers[id(member)] for member in data]
        dtype, device = self._dtype, self._device
        loaders = [_in_memory(member.train_dataloader()) for member in self._unique]
        judging = [_in_memory(member.val_dataloader()) for member in self._unique]
        if (
            len(
                {
                    (len(one.targets), one.batch_size, len(two.targets))
                    for one, two in zip(loaders, judging, strict=True)
                }
            )
            > 1
        ):
            raise ValueError("members must have training and validation parts of the same sizes")
        self.batch_size, self.samples = loaders[0].batch_size, len(loaders[0].targets)
        self._train, self._val = (
            _Pool(loaders, self._unique, dtype, device),
            _Pool(judging, self._unique, dtype, device),
        )
        # alone, a validation batch is large; here every member has one at the same time
        self._judging_batch = max(self.batch_size, judging[0].batch_size // len(data))
        self._ordered_epoch = 0
        self._orders = [
            TensorLoader(
                loader.targets,
                loader.targets,
                batch_size=1,
                shuffle=True,
                seed=loader.seed,
                epoch=lambda: self._ordered_epoch,
            )
            for loader in loaders
        ]
        self._shuffled = all(loader.shuffle for loader in loaders)

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch; the last may be smaller."""
        return -(-self.samples // self.batch_size)

    def rows(self) -> Tensor:
        """Return the order of the epoch that begins: (M, N) int64, row numbers in each member's training part."""
        wanted = list(zip(self._source, self.epochs, strict=True))
        orders = {each: self._order(*each) for each in dict.fromkeys(wanted)}
        return torch.stack([orders[each] for each in wanted])

    def _order(self, source: int, epoch: int) -> Tensor:
        if not self._shuffled:
            return torch.arange(self.samples)
        self._ordered_epoch = epoch
        return self._orders[source].order()

    def train(self) -> Iterator[StackedBatch]:
        """Iterate over the batches of the epoch that begins."""
        rows = self.rows().to(self._device)
        yield from self._train.batches(rows, self._source, self.batch_size)

    def val(self) -> Iterator[StackedBatch]:
        """Iterate over the batches of the validation part, as they lie."""
        rows = torch.arange(self._val.size, device=self._device).expand(len(self._source), -1)
        yield from self._val.batches(rows, self._source, self._judging_batch)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these members only."""
        self._source = [self._source[row] for row in rows]
        self.epochs = [self.epochs[row] for row in rows]

    def takes(self, data: InMemoryData) -> bool:
        """Tell whether data have parts and batches of the same sizes as these members'."""
        loader, judging = data.train_dataloader(), data.val_dataloader()
        if not (isinstance(loader, TensorLoader) and isinstance(judging, TensorLoader)):
            return False
        sizes = len(loader.targets), loader.batch_size, len(judging.targets)
        return sizes == (self.samples, self.batch_size, self._val.size)

    def admit(self, data: Mapping[int, InMemoryData]) -> None:
        """Let members take the places of others: row → its data."""
        known = {id(one): number for number, one in enumerate(self._unique)}
        own = [data.get(row, self._unique[source]) for row, source in enumerate(self._source)]
        if any(id(one) not in known for one in own):
            self._lay_out(own)
        else:
            self._source = [known[id(one)] for one in own]
        for row in data:
            self.epochs[row] = 0


class _Pool:
    """The samples of one part of several data objects, one below the other, so that one index reaches all."""

    def __init__(
        self,
        loaders: Sequence[TensorLoader],
        data: Sequence[InMemoryData],
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        self.size = len(loaders[0].targets)
        self._inputs = _below([loader.inputs.to(dtype) for loader in loaders]).to(device)
        self._targets = _below([_as(loader.targets, dtype) for loader in loaders]).to(device)
        scaled = [
            _scaled(_as(loader.targets, dtype), own.target_scaler)
            for loader, own in zip(loaders, data, strict=True)
        ]
        self._wanted = (
            self._targets if scaled[0] is None else _below([s for s in scaled if s is not None]).to(device)
        )

    def batches(self, rows: Tensor, source: Sequence[int], size: int) -> Iterator[StackedBatch]:
        shifted = rows + torch.tensor(source, device=rows.device).unsqueeze(1) * self.size
        for part in torch.split(shifted, size, dim=1):
            flat = part.reshape(-1)
            wanted = self._take(self._wanted, flat, part)
            target = wanted if self._wanted is self._targets else self._take(self._targets, flat, part)
            yield StackedBatch(self._take(self._inputs, flat, part), wanted, target)

    @staticmethod
    def _take(pool: Tensor, flat: Tensor, part: Tensor) -> Tensor:
        return pool.index_select(0, flat).reshape(*part.shape, *pool.shape[1:])


def _in_memory(loader: object) -> TensorLoader:
    if not isinstance(loader, TensorLoader):
        raise ValueError("members must have their samples in memory, not in a stream")
    return loader


def _below(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _as(targets: Tensor, dtype: torch.dtype) -> Tensor:
    return targets.to(dtype) if targets.is_floating_point() else targets


def _scaled(targets: Tensor, scaler: Affine | None) -> Tensor | None:
    return None if scaler is None else (targets - scaler.shift.to(targets)) / scaler.scale.to(targets)
