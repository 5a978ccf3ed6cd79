"""How many members of a group are computed at a time: as many as a CPU's cache holds what they work on.

A group takes each step block by block: forward, backward and update of a few members, then of the next. On a CPU
what one operation writes is still in a cache when the next reads it, and gradients and activations take the memory
of one block only. On a GPU all members are one block, since the more there is to do at once the better.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Digits, AdamW, batch 64, 64 members, one thread: ms an epoch and member in blocks of 8, 16, 32 and all, (MiB) a
# block, 2026-11-22: MLP 64-128-128-10 5.9 (4), 5.1 (8), 4.8 (17), 5.1 (33); 64-256-256-10 12.7 (10), 12.6 (19),
# 12.5, 12.4; two convolutions with 8-16 filters 20.4 (8), 19.1 (16), 18.3 (32), 18.0.
_BLOCK_BYTES = 20 * 1024**2


@dataclass(frozen=True)
class Block:
    """Rows that are computed at once, and views of their parameters and buffers: name → (rows, …).

    Args:
        rows: numbers of consecutive members.
        parameters: those that are trained.
        buffers: everything else that is state.
    """

    rows: range
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]

    def column(self, of_all: Tensor, like: Tensor) -> Tensor:
        """Return one number a member (M,) for the rows, to be multiplied with their values: (rows, 1, …)."""
        return of_all[self.rows.start : self.rows.stop].view(-1, *[1] * (like.ndim - 1))


def activation_bytes(model: nn.Module, x: Tensor) -> int:
    """Estimate the size in bytes of what the layers of a network return on a batch x: (B, …)."""
    outputs: list[int] = []

    def note(module: nn.Module, given: object, output: object) -> None:
        if isinstance(output, Tensor):
            outputs.append(output.nbytes)

    hooks = [module.register_forward_hook(note) for module in model.modules() if not list(module.children())]
    try:
        with evaluating(model), torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(outputs)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode meanwhile; afterwards each of its modules is in the mode it was in."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, was in training:
            module.training = was


def most_at_once(model: nn.Module, x: Tensor) -> int | None:
    """Return how many members like this one are best computed at once, > 0; None for all of them.

    Args:
        model: a member's network.
        x: (B, …), a training batch of it.
    """
    if x.device.type != "cpu":
        return None
    state = 2 * sum(parameter.nbytes for parameter in model.parameters())  # with the gradients
    activations = 2 * (activation_bytes(model, x) + x.nbytes)  # forward and backward
    return max(1, _BLOCK_BYTES // (state + activations))


def divide(width: int, most: int | None) -> Sequence[range]:
    """Divide rows 0 to width - 1 into blocks of at most so many rows, and of as few different sizes as can be."""
    if most is None or width <= most:
        return [range(width)]
    count = -(-width // most)
    count = next((more for more in range(count, 2 * count) if width % more == 0), count)
    bounds = [width * index // count for index in range(count + 1)]
    return [range(*pair) for pair in itertools.pairwise(bounds)]
