"""Losses of classification. Each says how many outputs it needs and turns outputs into probabilities."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightune.ranges import UnitInterval


class CrossEntropy(nn.Module):
    """Negative log-likelihood of the true class under the softmax of the outputs.

    Args:
        label_smoothing: share of the target spread evenly over all classes, in [0, 1]
            (Szegedy et al. 2016, section 7).
    """

    problem = "classification"

    def __init__(self, label_smoothing: UnitInterval = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def num_outputs(self, num_classes: int) -> int:
        """Return the outputs that a model needs: one a class."""
        return num_classes

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Average over outputs: (B, C) float and target: (B,) int64; returns a scalar."""
        return functional.cross_entropy(outputs, target, label_smoothing=self.label_smoothing)

    def predict(self, outputs: Tensor) -> Tensor:
        """Map outputs: (B, C) to class probabilities (B, C) float32."""
        return outputs.float().softmax(dim=1)


class BinaryCrossEntropy(nn.Module):
    """Cross-entropy of independent yes-or-no decisions: one output for two classes, else one a class.

    With more than two classes this is one-versus-rest; the most probable class is the decision.
    """

    problem = "classification"

    def num_outputs(self, num_classes: int) -> int:
        """Return the outputs that a model needs: 1 for two classes, else one a class."""
        return 1 if num_classes == 2 else num_classes

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Average over outputs: (B, 1) or (B, C) float and target: (B,) int64; returns a scalar."""
        columns = outputs.shape[1]
        wanted = target.unsqueeze(1) if columns == 1 else functional.one_hot(target, columns)
        return functional.binary_cross_entropy_with_logits(outputs, wanted.to(outputs.dtype))

    def predict(self, outputs: Tensor) -> Tensor:
        """Map outputs: (B, 1) or (B, C) to probabilities (B, 2) or (B, C) float32."""
        probability = outputs.float().sigmoid()
        return torch.cat([1 - probability, probability], dim=1) if outputs.shape[1] == 1 else probability
