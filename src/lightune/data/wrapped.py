"""What a loader hands on that prepares or moves the batches of another."""

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

__all__ = ["Ordered", "WrappedLoader"]


class Ordered(Protocol):
    """A loader that knows its order and its position in it, as `TensorLoader` does."""

    @property
    def batch_size(self) -> int:
        """Samples a batch, of all processes together, > 0."""

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of one input."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...

    def state_dict(self) -> dict[str, int]:
        """Return which epoch is under way, from 0, and how many of its batches were given out."""

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Skip the batches of an epoch that were given out before."""

    def served(self) -> Tensor:
        """Return the places (n,) int64 of the samples that this process is given, where none are shuffled."""


class WrappedLoader:
    """Base of loaders that work ahead of what they give out; sizes, order and position are the inner loader's.

    Args:
        order: the inner loader, which says what comes next.
    """

    def __init__(self, order: Ordered) -> None:
        self.order = order
        self._given: dict[str, int] | None = None

    @property
    def batch_size(self) -> int:
        """Samples a batch, of all processes together, > 0."""
        return self.order.batch_size

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""
        return self.order.batches

    def __len__(self) -> int:
        return len(self.order)

    def state_dict(self) -> dict[str, int]:
        """Return which epoch is under way, from 0, and how many of its batches were given out."""
        return self.order.state_dict() if self._given is None else self._given

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Skip the batches of an epoch that were given out before."""
        self.order.load_state_dict(state_dict)

    def served(self) -> Tensor:
        """Return the places (n,) int64 of the samples that this process is given, where none are shuffled."""
        return self.order.served()
