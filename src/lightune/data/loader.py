"""Batches of tensors that lie in memory, taken by index: no worker processes, no copies of single samples."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lightune.wording import counted

Batch = tuple[Tensor, Tensor]
MixedBatch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Inputs that are mixed with others, their targets, those of the others, and the shares (B,) of their own."""


class TensorLoader:
    """Iterate over (input, target) batches.

    The order of an epoch depends on the seed and the epoch's number alone, so that it can be had again.

    Args:
        inputs: (N, …).
        targets: (N,) or (N, T).
        batch_size: samples a batch, > 0; the last batch may be smaller. A single sample that is left over joins
            the batch before it: a network that normalizes over a batch cannot learn from one row.
        shuffle: whether each epoch has an order of its own; without it samples come as they lie.
        seed: of the order.
        epoch: returns the number of the epoch that begins, from 0.
        process: number of this process among those that share the samples, from 0.
        processes: how many they are. Each takes a share of every batch, all as many batches, no sample twice; a
            batch of all together then has batch_size * processes samples.
        steps: how many batches are given out at once, one behind the other in one tensor, > 0; by one process.
        partners: whether with each sample the next in the order is given out, the first with the last. Behind the
            samples of one process stands the one that follows them; behind those of several, all that follow.

    Raises:
        ValueError: if there are fewer samples than processes.
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
        process: int = 0,
        processes: int = 1,
        steps: int = 1,
        partners: bool = False,
    ) -> None:
        if len(targets) < processes:
            raise ValueError(f"{counted(len(targets), 'sample')} cannot be shared by {processes} processes")
        self.inputs = inputs
        self.targets = targets
        self.batch_size = min(batch_size * processes, len(targets))  # of all processes together
        self._batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self._epoch = epoch
        self._process = process
        self._processes = processes
        self.steps = steps
        self._partners = partners
        self._given = (0, 0)  # epoch, batches of it
        self._skip = (0, 0)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input."""
        return self.inputs[:1].nbytes

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""
        return batches_of(len(self.targets), self._batch_size, self._processes)[0]

    def __len__(self) -> int:
        return -(-self.batches // self.steps)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._epoch()
        skipped = self._skip[1] if self._skip[0] == epoch else 0
        order = self.order().to(self.targets.device) if self.shuffle else None
        for first, last in self._spans(skipped):
            # the last batch takes what is left, which may be too little for a batch of its own
            until = None if last == self.batches else last * self.batch_size
            together = slice(first * self.batch_size + self._process, until, self._processes)
            chosen = self._with_partners(together) if self._partners else together
            mine = chosen if order is None else order[chosen]
            self._given = (epoch, last)
            yield self.inputs[mine], self.targets[mine]

    def _with_partners(self, together: slice) -> Tensor:
        """Return places in the order, and those that follow them."""
        samples = len(self.targets)
        places = torch.arange(samples, device=self.targets.device)[together]
        following = (places + 1) % samples
        return torch.cat([places, following[-1:] if self._processes == 1 else following])

    def _spans(self, skipped: int) -> Iterator[tuple[int, int]]:
        """Yield the first batch, and the one behind the last, of what is given out at once."""
        first = skipped
        while first < self.batches:
            last = min((first // self.steps + 1) * self.steps, self.batches)
            yield first, last
            first = last

    def state_dict(self) -> dict[str, int]:
        """Return which epoch is under way and how many of its batches were given out."""
        return {"epoch": self._given[0], "batches": self._given[1]}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Skip the batches of an epoch that were given out before."""
        self._skip = (state_dict["epoch"], state_dict["batches"])

    def served(self) -> Tensor:
        """Return the places (n,) int64 of the samples that this process is given, where none are shuffled."""
        places = torch.arange(len(self.targets))
        cuts = [number * self.batch_size for number in range(1, self.batches)]
        return torch.cat([part[self._process :: self._processes] for part in places.tensor_split(cuts)])

    def order(self) -> Tensor:
        """Return the row numbers (N,) int64 of the epoch that begins, in the order they are taken."""
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self._epoch()))
        return torch.randperm(len(self.targets), generator=generator)


def batches_of(samples: int, batch_size: int, processes: int = 1) -> tuple[int, int]:
    """Return how many batches an epoch has, and how many samples the smallest has in one process.

    Args:
        samples: of all processes together, at least one each.
        batch_size: of one process, > 0.
        processes: how many share each batch.
    """
    size = min(batch_size * processes, samples)
    full, rest = divmod(samples, size)
    if rest >= processes and (rest > 1 or size == 1):
        return full + 1, rest // processes
    return full, size // processes


def in_minibatches(chunk: Batch | MixedBatch, batch_size: int) -> list[Batch | MixedBatch]:
    """Divide a chunk of batches into them; a single sample that is left over stays with the last.

    Args:
        chunk: inputs, targets and what goes with them of several batches, one behind the other.
        batch_size: samples a batch, > 0.
    """
    samples = len(chunk[1])
    batches, _ = batches_of(samples, batch_size)
    sizes = [batch_size] * (batches - 1)
    sizes.append(samples - sum(sizes))
    return list(zip(*(torch.split(part, sizes) for part in chunk), strict=True))


def epoch_seed(seed: int, epoch: int) -> int:
    """Mix a run's seed and an epoch's number, so that neighbouring seeds share no epoch's order."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**63
