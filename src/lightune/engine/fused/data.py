"""The batches of several members: each in its own order, gathered with one index operation."""

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor

from lightune.data import InMemoryData
from lightune.data.loader import TensorLoader
from lightune.data.scaling import Affine

Form = TypeVar("Form", bound=Hashable)

_MOST_BATCHES_VALIDATED_AT_ONCE = 4  # without gradients they take about the memory of one training batch
_MOST_VARIED_AT_ONCE = 2**20  # numbers of a member's samples
_MOST_BYTES_OF_COPIES = 32 * 1024**2  # scaling a batch costs little, but more than taking it


@dataclass(frozen=True)
class StackedBatch:
    """One batch of each member.

    Args:
        x: (M, B, …).
        wanted: what the loss compares outputs with, (M, B, …): targets, scaled where the member scales them.
        target: the targets as they are, (M, B, …).
        lengths: how many samples of each member count, where some have fewer than B; the others only fill up.
    """

    x: Tensor
    wanted: Tensor
    target: Tensor
    lengths: list[int] | None = None


@dataclass(frozen=True)
class RaggedBatch:
    """One batch of each member, where they differ in length: the last one of folds that differ in size.

    Args:
        parts: the members' rows, and their batches; each length once, each member once.
    """

    parts: list[tuple[list[int], StackedBatch]]


class StackedData:
    """Serve the training and validation parts of M members.

    Members that hold the same data object share its tensors; those that divide large samples in their own ways
    share the samples, and each batch is scaled as its member scales it. Parts may differ in size as long as all
    members have as many batches an epoch.

    Attributes:
        epochs: of each member the epoch that is served next, from 0.
        steps_per_epoch: number of batches in an epoch; the last may be smaller.

    Args:
        data: the members' data, divided.
        dtype: of inputs, and of targets that are values.
        device: where the samples lie.

    Raises:
        ValueError: if the members differ in the number of batches an epoch.
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
        self._varied = VariedInputs(self._unique, dtype, device) if _any_varied(self._unique) else None
        if share_samples(self._unique):
            loaders = [member.rows_in_batches("train") for member in self._unique]
            validation = [member.rows_in_batches("val") for member in self._unique]
        else:
            loaders = [
                member.rows_in_batches("train") if self._varied else _in_memory(member.train_dataloader())
                for member in self._unique
            ]
            validation = [_in_memory(member.val_dataloader()) for member in self._unique]
        self._batch_sizes = [loader.batch_size for loader in loaders]
        self._sizes = {
            "train": [len(loader.targets) for loader in loaders],
            "val": [len(loader.targets) for loader in validation],
        }
        if len({loader.batches for loader in loaders}) > 1:
            raise ValueError("members must have as many batches an epoch")
        self.steps_per_epoch = loaders[0].batches
        self._train, self._val = (
            _Pool(loaders, self._unique, dtype, device, self._varied),
            _Pool(validation, self._unique, dtype, device),
        )
        # alone, a validation batch is large; here every member has one at the same time
        least, part = max(self._batch_sizes), max(self._sizes["val"])
        shared = max(least, validation[0].batch_size // len(data))
        self._validation_batch = part if part <= _MOST_BATCHES_VALIDATED_AT_ONCE * least else shared
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

    def sizes(self, part: Literal["train", "val"]) -> list[int]:
        """Return how many samples of a part each member has."""
        return [self._sizes[part][source] for source in self._source]

    def orders(self) -> list[Tensor]:
        """Return the order of the epoch that begins, (N,) int64 a member: row numbers in its training part."""
        wanted = list(zip(self._source, self.epochs, strict=True))
        own = {each: self._order(*each) for each in dict.fromkeys(wanted)}
        return [own[each] for each in wanted]

    def _order(self, source: int, epoch: int) -> Tensor:
        if not self._shuffled:
            return torch.arange(self._sizes["train"][source])
        self._ordered_epoch = epoch
        return self._orders[source].order()

    def train(self) -> Iterator[StackedBatch | RaggedBatch]:
        """Iterate over the batches of the epoch that begins."""
        orders = [order.to(self._device) for order in self.orders()]
        batch_sizes = [self._batch_sizes[source] for source in self._source]
        whole, last = 0, self.steps_per_epoch - 1
        if len(set(batch_sizes)) == 1:
            size, samples = batch_sizes[0], len(orders[0])
            even = len(set(map(len, orders))) == 1
            whole = last + even
            sizes = [size] * last + [samples - size * last] * even  # the last takes what is left
            if sizes:
                together = torch.stack([order[: sum(sizes)] for order in orders])
                yield from self._train.batches(together, self._source, sizes, self.epochs)
        for step in range(whole, self.steps_per_epoch):
            rows = [
                order[step * size : None if step == last else (step + 1) * size]
                for order, size in zip(orders, batch_sizes, strict=True)
            ]
            yield self._ragged(rows)

    def _ragged(self, rows: Sequence[Tensor]) -> RaggedBatch:
        parts = []
        for members in alike([len(own) for own in rows]).values():
            together = torch.stack([rows[member] for member in members])
            sources = [self._source[member] for member in members]
            epochs = [self.epochs[member] for member in members]
            parts.append((members, self._train.take(together, sources, epochs)))
        return RaggedBatch(parts)

    def val(self) -> Iterator[StackedBatch]:
        """Iterate over the batches of the validation part, as they lie."""
        sizes = self.sizes("val")
        rows = torch.arange(max(sizes), device=self._device).expand(len(sizes), -1)
        if len(set(sizes)) == 1:
            yield from self._val.batches(rows, self._source, self._validation_batch)
            return
        ends = torch.tensor(sizes, device=self._device).unsqueeze(1)
        padded = torch.where(rows < ends, rows, 0)
        for index, batch in enumerate(self._val.batches(padded, self._source, self._validation_batch)):
            first, width = index * self._validation_batch, batch.x.shape[1]
            lengths = [min(max(0, size - first), width) for size in sizes]
            yield batch if min(lengths) == width else replace(batch, lengths=lengths)

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with these rows only."""
        self._source = [self._source[row] for row in rows]
        self.epochs = [self.epochs[row] for row in rows]

    def accepts(self, data: InMemoryData) -> bool:
        """Return True if data have parts and batches of the sizes that all of these members have.

        Where members differ in size no other is admitted: they are the fits of one run, all known beforehand.
        """
        if data.is_streamed:
            return False
        sizes = zip(self._sizes["train"], self._batch_sizes, self._sizes["val"], strict=True)
        theirs = data.sizes["train"], data.rows_in_batches("train").batch_size, data.sizes["val"]
        return all(ours == theirs for ours in sizes)

    def add_members(self, data: Mapping[int, InMemoryData]) -> None:
        """Put the data of other members into rows: row → data.

        Raises:
            ValueError: if the parts or batches of one are of other sizes than theirs.
        """
        if not all(self.accepts(one) for one in data.values()):
            raise ValueError("members that come later must have parts and batches of the others' sizes")
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
        device: torch.device,
        varied: "VariedInputs | None" = None,
    ) -> None:
        sizes = [len(loader.targets) for loader in loaders]
        self._first = [sum(sizes[:index]) for index in range(len(sizes))]
        self._dtype = dtype
        self._varied = varied
        self._shared = varied is None and share_samples(data)
        if self._shared:
            self._rows = _below([loader.inputs for loader in loaders]).to(device)
            self._inputs = data[0].samples.inputs.to(device)
            self._shift, self._scale = (
                torch.stack([getattr(own.scaler, name) for own in data]).to(device) for name in ("shift", "scale")
            )
        elif varied is None:
            self._inputs = _below([_as(loader.inputs, dtype) for loader in loaders]).to(device)
        self._targets = _below([_as(loader.targets, dtype) for loader in loaders]).to(device)
        scaled = [
            _scaled(_as(loader.targets, dtype), own.target_scaler)
            for loader, own in zip(loaders, data, strict=True)
        ]
        self._wanted = (
            self._targets if scaled[0] is None else _below([s for s in scaled if s is not None]).to(device)
        )

    def batches(
        self, rows: Tensor, source: Sequence[int], size: int | list[int], epochs: Sequence[int] = ()
    ) -> Iterator[StackedBatch]:
        """Iterate over batches of rows (M, N), of one size or of these.

        Args:
            rows: (M, N) in the members' parts.
            source: which data each member has.
            size: samples a batch, > 0, or those of each.
            epochs: of each member, from 0; samples that are varied depend on it.
        """
        if self._varied is None:
            for part in torch.split(self._shifted(rows, source), size, dim=1):
                yield self._batch(part, source)
            return
        sizes = [size] * -(-rows.shape[1] // size) if isinstance(size, int) else size
        steps = self._varied.batches_at_once(max(sizes))
        for first in range(0, len(sizes), steps):
            own = sizes[first : first + steps]
            start = sum(sizes[:first])
            some = rows[:, start : start + sum(own)]
            inputs = torch.split(self._varied.take(some, source, epochs), own, dim=1)
            for part, x in zip(torch.split(self._shifted(some, source), own, dim=1), inputs, strict=True):
                yield self._batch(part, source, x)

    def take(self, rows: Tensor, source: Sequence[int], epochs: Sequence[int] = ()) -> StackedBatch:
        """Return one batch of rows (M, B)."""
        x = None if self._varied is None else self._varied.take(rows, source, epochs)
        return self._batch(self._shifted(rows, source), source, x)

    def _shifted(self, rows: Tensor, source: Sequence[int]) -> Tensor:
        return rows + torch.tensor([self._first[own] for own in source], device=rows.device).unsqueeze(1)

    def _batch(self, part: Tensor, source: Sequence[int], x: Tensor | None = None) -> StackedBatch:
        flat = part.reshape(-1)
        wanted = self._take(self._wanted, flat, part)
        target = wanted if self._wanted is self._targets else self._take(self._targets, flat, part)
        if x is not None:
            return StackedBatch(x, wanted, target)
        if not self._shared:
            return StackedBatch(self._take(self._inputs, flat, part), wanted, target)
        x = self._take(self._inputs, self._rows[flat], part).float()
        own = torch.tensor(source, device=x.device)
        x = (x - self._shift[own].unsqueeze(1)) / self._scale[own].unsqueeze(1)
        return StackedBatch(x.to(self._dtype), wanted, target)

    @staticmethod
    def _take(pool: Tensor, flat: Tensor, part: Tensor) -> Tensor:
        return pool.index_select(0, flat).reshape(*part.shape, *pool.shape[1:])


class VariedInputs:
    """The training inputs of several data objects of which some are varied, each as it is alone.

    Members of one data object that are at the same epoch have the same inputs, which are made once.

    Args:
        data: each object once.
        dtype: of the inputs.
        device: where they are made.
    """

    def __init__(self, data: Sequence[InMemoryData], dtype: torch.dtype, device: torch.device) -> None:
        self._dtype = dtype
        self._samples = [own.samples.inputs.to(device) for own in data]
        self._rows = [own.rows_in_batches("train").inputs.to(device) for own in data]
        self._variations = [None if own.variation is None else own.variation.on(device) for own in data]
        self._preparations = [copy.deepcopy(own.preparation).to(device) for own in data]
        self._raw_dtypes = [own.raw_dtype for own in data]

    def batches_at_once(self, size: int) -> int:
        """Return how many batches of a size are made at once: many, as it costs little more than one."""
        numbers = self._samples[0][0].numel() * size
        return max(1, _MOST_VARIED_AT_ONCE // max(1, numbers))

    def take(self, rows: Tensor, source: Sequence[int], epochs: Sequence[int]) -> Tensor:
        """Return inputs (M, n, …) of rows (M, n) of the members' training parts, for an epoch of each."""
        wanted = list(zip(source, epochs, strict=True))
        made: dict[tuple[int, int], Tensor] = {}
        for (own, epoch), chosen in zip(wanted, rows, strict=True):
            if (own, epoch) not in made:
                made[own, epoch] = self._inputs(own, epoch, chosen)
        return torch.stack([made[each] for each in wanted])

    def _inputs(self, own: int, epoch: int, rows: Tensor) -> Tensor:
        raw, variation = self._samples[own][self._rows[own][rows]], self._variations[own]
        if variation is not None:
            return variation(raw, rows, epoch).to(self._dtype)
        inputs: Tensor = self._preparations[own](raw.to(self._raw_dtypes[own]))
        return inputs.to(self._dtype)


def share_samples(data: Sequence[InMemoryData]) -> bool:
    """Return True if members share the samples as they were read, because a scaled copy for each is too large.

    Args:
        data: the members' data, each object once.
    """
    if len({id(own.samples) for own in data}) > 1:
        return False
    if any(own.scaler is None or own.features is not None for own in data):
        return False
    copies = sum(sum(own.sizes.values()) for own in data) * data[0].samples.inputs[0].numel() * 4
    return len(data) > 1 and copies > _MOST_BYTES_OF_COPIES


def alike(values: Sequence[Form]) -> dict[Form, list[int]]:
    """Return value → the places where it stands, in the order of their first appearance."""
    places: dict[Form, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value, []).append(place)
    return places


def _in_memory(loader: object) -> TensorLoader:
    if not isinstance(loader, TensorLoader):
        raise ValueError("members must have their samples in memory, not in a stream")
    return loader


def _any_varied(data: Sequence[InMemoryData]) -> bool:
    return any(own.variation is not None for own in data)


def _below(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _as(targets: Tensor, dtype: torch.dtype) -> Tensor:
    return targets.to(dtype) if targets.is_floating_point() else targets


def _scaled(targets: Tensor, scaler: Affine | None) -> Tensor | None:
    return None if scaler is None else (targets - scaler.shift.to(targets)) / scaler.scale.to(targets)
