"""A trained network that maps raw samples to predictions: what is loaded, exported and served."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["PredictingNetwork"]


class PredictingNetwork(nn.Module):
    """Prepare raw samples, run the network, and turn its outputs into predictions.

    Args:
        preparation: maps raw samples (B, …) to inputs (B, …) float32.
        network: maps inputs to outputs (B, K).
        predictions: maps outputs to class probabilities (B, C), or to values (B, T) in the units of the target.
    """

    def __init__(
        self, preparation: nn.Module, network: nn.Module, predictions: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.preparation = preparation
        self.network = network
        self._predictions = predictions
        self.eval()

    def forward(self, raw: Tensor) -> Tensor:
        """Map raw samples (B, …) to class probabilities (B, C) or values (B, T)."""
        return self.of_prepared(self.preparation(raw))

    def of_prepared(self, inputs: Tensor) -> Tensor:
        """Map inputs (B, …) that are prepared to class probabilities (B, C) or values (B, T)."""
        return self.predicted(self.network(inputs))

    def predicted(self, outputs: Tensor) -> Tensor:
        """Map outputs (B, K) of the network to class probabilities (B, C) or values (B, T)."""
        return self._predictions(outputs)


def mean_prediction(networks: list[PredictingNetwork], raw: Tensor) -> Tensor:
    """Return the mean of what several networks predict for raw samples (B, …)."""
    with torch.inference_mode():
        return torch.stack([network(raw) for network in networks]).mean(dim=0)
