"""Penalties and gradient clipping for many members at once, each with strengths of its own."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lightune.engine.fused.blocks import Block
from lightune.regularization import Regularization

__all__ = ["StackedRegularization"]


class StackedRegularization:
    """Change the gradients of M members as the penalties and the clipping of each would.

    Args:
        strengths: one a member.
        clips: largest norm of each member's gradient, > 0; None for no limit.
        weights: names of the parameters that are penalized: no biases, no scales of a norm.
        like: of the parameters' dtype and device.
    """

    def __init__(
        self,
        strengths: Sequence[Regularization],
        clips: Sequence[float | None],
        *,
        weights: Sequence[str],
        like: Tensor,
    ) -> None:
        self._weights = weights
        self._l1 = _column([own.l1 for own in strengths], like)
        self._l2 = _column([own.l2 for own in strengths], like)
        unlimited = all(clip is None for clip in clips)
        self._clips = (
            None if unlimited else like.new_tensor([math.inf if clip is None else clip for clip in clips])
        )

    def apply(self, gradients: dict[str, Tensor], block: Block) -> None:
        """Add the gradients of the penalties, then clip; gradients: name → (rows, …), replaced in place."""
        self._add_penalty(gradients, block)
        self._clip(gradients, block)

    def _add_penalty(self, gradients: dict[str, Tensor], block: Block) -> None:
        """Add the gradient of l1 Σ|θ| + l2 Σθ² over the weights."""
        for name in self._weights:
            weight, gradient = block.parameters[name], gradients[name]
            if self._l1 is not None:
                gradient = torch.addcmul(gradient, weight.sign(), block.column(self._l1, weight))
            if self._l2 is not None:
                gradient = torch.addcmul(gradient, weight, block.column(self._l2, weight), value=2)
            gradients[name] = gradient

    def _clip(self, gradients: dict[str, Tensor], block: Block) -> None:
        """Limit the norm of each member's gradient, as `torch.nn.utils.clip_grad_norm_` does."""
        if self._clips is None:
            return
        of_each = [torch.linalg.vector_norm(value.reshape(len(value), -1), dim=1) for value in gradients.values()]
        norms = torch.linalg.vector_norm(torch.stack(of_each), dim=0)
        shares = (block.column(self._clips, norms) / (norms + 1e-6)).clamp(max=1.0)
        for name, value in gradients.items():
            gradients[name] = value * shares.view(-1, *[1] * (value.ndim - 1))


def _column(values: Sequence[float], like: Tensor) -> Tensor | None:
    return like.new_tensor(values) if any(values) else None
