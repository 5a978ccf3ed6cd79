"""What a network makes of samples before its last layer, and how far new ones lie from known ones there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightune.inference.network import PredictingNetwork

__all__ = ["Neighbours", "features_of"]

_NEIGHBOURS = 5


def features_of(network: PredictingNetwork, raw: Tensor) -> Tensor:
    """Return the inputs (B, D) float32 of the network's last linear layer; of one without, its predictions.

    Args:
        network: in evaluation form.
        raw: (B, …) samples as the data were read.
    """
    with torch.inference_mode(), _last_linear(network) as seen:
        predicted = network(raw)
    return (seen[-1] if seen else predicted).flatten(1).float()


@contextmanager
def _last_linear(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what goes into the linear layer that is called last."""
    seen: list[Tensor] = []

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen[:] = [given[0]]

    hooks = [each.register_forward_pre_hook(note) for each in network.modules() if isinstance(each, nn.Linear)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class Neighbours:
    """How far samples lie from known ones: the mean distance to the nearest few, over what is usual.

    Args:
        references: (R, D) features of known samples, at least two.

    Source: Sun et al. 2022, Out-of-Distribution Detection with Deep Nearest Neighbors; here with the mean over
    neighbours, and Euclidean distances of the features as they are.
    """

    references: Tensor

    def distances(self, features: Tensor) -> Tensor:
        """Return the distance (B,) of new features (B, D); 1 is the median of the known samples."""
        return self._nearest(torch.cdist(features, self.references)) / self._usual()

    def own_distances(self) -> Tensor:
        """Return the distance (R,) of each known sample from the others."""
        return self._among() / self._usual()

    def _among(self) -> Tensor:
        between = torch.cdist(self.references, self.references)
        return self._nearest(between.fill_diagonal_(torch.inf))

    def _usual(self) -> Tensor:
        return self._among().median().clamp_min(1e-12)

    def _nearest(self, between: Tensor) -> Tensor:
        count = min(_NEIGHBOURS, len(self.references) - 1)
        return between.topk(count, dim=1, largest=False).values.mean(dim=1)
