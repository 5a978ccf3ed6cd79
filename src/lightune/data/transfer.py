"""Batches on their way from main memory to a GPU: the next one is copied while this one is learnt from."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from lightune.data.loader import Batch, TensorLoader


class Mover(Protocol):
    """What brings batches to a device."""

    def start(self, batch: Batch) -> Any:
        """Begin to move a batch; return what `finish` takes."""

    def finish(self, moving: Any) -> Batch:
        """Return the batch on its device, fit to be used from now on."""


class CopyAside:
    """Copy batches through pinned memory, on a stream of their own, so that neither side waits.

    Args:
        device: a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def start(self, batch: Batch) -> list[Tensor]:
        """Begin to copy a batch."""
        pinned = [part.pin_memory() for part in batch]
        with torch.cuda.stream(self._stream):
            return [part.to(self._device, non_blocking=True) for part in pinned]

    def finish(self, moving: list[Tensor]) -> Batch:
        """Let what is computed from now on wait for the copy."""
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        for part in moving:
            part.record_stream(current)
        inputs, targets = moving
        return inputs, targets


class Prefetched:
    """Iterate over the batches of a loader on another device, one copy ahead.

    Args:
        loader: whose samples lie in main memory.
        mover: brings its batches to the device.
    """

    def __init__(self, loader: TensorLoader, mover: Mover) -> None:
        self.order = loader
        self._mover = mover
        self._given: dict[str, int] | None = None

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input."""
        return self.order.sample_bytes

    @property
    def batch_size(self) -> int:
        """Samples a batch, of all processes together."""
        return self.order.batch_size

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""
        return self.order.batches

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        ahead: tuple[Any, dict[str, int]] | None = None
        for batch in self.order:
            moving = self._mover.start(batch), self.order.state_dict()
            if ahead is not None:
                yield self._give(*ahead)
            ahead = moving
        if ahead is not None:
            yield self._give(*ahead)

    def _give(self, moving: Any, state: dict[str, int]) -> Batch:
        self._given = state  # the loader is one batch ahead of what was given out
        return self._mover.finish(moving)

    def state_dict(self) -> dict[str, int]:
        """Return which epoch is under way and how many of its batches were given out."""
        return self.order.state_dict() if self._given is None else self._given

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Pass over the batches of an epoch that were given out before."""
        self.order.load_state_dict(state_dict)

    def served(self) -> Tensor:
        """Return the places (n,) int64 of the samples that this process is given, where none are shuffled."""
        return self.order.served()
