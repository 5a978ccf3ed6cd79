"""Batches on their way from main memory to a GPU: the next one is copied while this one is computed on."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from lightune.data.wrapped import Ordered, WrappedLoader

Parts = tuple[Tensor, ...]
"""A batch: inputs and targets, and perhaps what else goes with them."""


class Mover(Protocol):
    """What brings batches to a device."""

    def start(self, batch: Parts) -> Any:
        """Begin to move a batch; return what `finish` takes."""

    def finish(self, moving: Any) -> Parts:
        """Return the batch on its device, fit to be used from now on."""


class CopyAside:
    """Copy batches through pinned memory, on a stream of their own, so that neither side waits.

    Args:
        device: a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def start(self, batch: Parts) -> list[Tensor]:
        """Begin to copy a batch."""
        pinned = [part.pin_memory() for part in batch]
        with torch.cuda.stream(self._stream):
            return [part.to(self._device, non_blocking=True) for part in pinned]

    def finish(self, moving: list[Tensor]) -> Parts:
        """Make what is computed from now on wait for the copy."""
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        for part in moving:
            part.record_stream(current)
        return tuple(moving)


class Prefetched(WrappedLoader):
    """Iterate over the batches of a loader on another device, one copy ahead.

    Args:
        loader: whose samples are in main memory.
        mover: brings its batches to the device.
    """

    def __init__(self, loader: Ordered, mover: Mover) -> None:
        super().__init__(loader)
        self._mover = mover

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input."""
        return self.order.sample_bytes

    def __iter__(self) -> Iterator[Any]:
        ahead: tuple[Any, dict[str, int]] | None = None
        for batch in self.order:
            moving = self._mover.start(batch), self.order.state_dict()
            if ahead is not None:
                yield self._give(*ahead)
            ahead = moving
        if ahead is not None:
            yield self._give(*ahead)

    def _give(self, moving: Any, state: dict[str, int]) -> Parts:
        self._given = state  # the loader is one batch ahead of what was given out
        return self._mover.finish(moving)
