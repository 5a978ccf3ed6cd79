"""Losses of classification. Each says how many outputs it needs and turns outputs into probabilities."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightune.errors import ConfigError, Problem
from lightune.ranges import NonNegativeFloat, PositiveFloat, UnitInterval

_LEAST_MISSED = 1e-12  # a power below 1 has no slope at 0
ClassWeights = Literal["none", "balanced"] | list[PositiveFloat]


class ClassWeighted(nn.Module):
    """Base of losses that can count classes differently while training.

    In evaluation form each sample counts the same: what is judged does not depend on how it was trained.

    Args:
        class_weights: `none`; `balanced`, N / (C n) for a class that n of the N training samples are of, so that
            all classes count the same (King & Zeng 2001); or a weight > 0 for each class.
        class_counts: how many training samples are of each class, for `balanced`.
        num_classes: number of classes, where it is known.

    Raises:
        ConfigError: if there is not a weight for each class, or `balanced` is asked of unknown counts.
    """

    def __init__(
        self,
        class_weights: ClassWeights = "none",
        class_counts: Sequence[int] | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        self.class_weights = class_weights
        weights = _weights(class_weights, class_counts, num_classes)
        self.register_buffer("weights", weights, persistent=False)  # the data tell it again
        self.weights: Tensor | None

    @abstractmethod
    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the losses (B,) of samples, from outputs: (B, …) float and target: (B,) int64."""


def mixed_loss(loss: ClassWeighted, outputs: Tensor, target: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Return the mean loss, a scalar, of samples that are mixed with others (Zhang et al. 2018, section 2).

    A sample has the loss λL(a) + (1 - λ)L(b); where classes weigh differently each of the two has its own weight,
    and the sum is over that of these weights, as of samples that are not mixed.

    Args:
        loss: in training form.
        outputs: (B, …) float.
        target: (B,) int64, a.
        other: (B,) int64, b.
        share: (B,) float, λ, in [0, 1].
    """
    own, rest = share, 1 - share
    if loss.weights is not None:
        own, rest = own * loss.weights[target], rest * loss.weights[other]
    losses = own * loss.of_each(outputs, target) + rest * loss.of_each(outputs, other)
    return losses.mean() if loss.weights is None else losses.sum() / (own + rest).sum()


def weighted_mean(losses: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Average losses (B,) of samples with target classes (B,) int64, each with its class's weight (C,)."""
    own = weights.gather(0, target).to(losses.dtype)
    return (losses * own).sum() / own.sum()


def _weights(
    class_weights: ClassWeights, class_counts: Sequence[int] | None, num_classes: int | None
) -> Tensor | None:
    if class_weights == "none":
        return None
    if class_weights == "balanced":
        if class_counts is None:
            rule = "balanced needs data that tell class_counts, the training samples of each class"
            raise ConfigError([Problem("loss.class_weights", f"{rule}; write a weight for each class")])
        counts = torch.tensor(list(class_counts), dtype=torch.float64)
        return (counts.sum() / (len(counts) * counts.clamp(min=1))).float()  # a class without samples has no say
    weights = torch.tensor(class_weights, dtype=torch.float32)
    if num_classes is not None and len(weights) != num_classes:
        rule = f"must be a weight for each of the {num_classes} classes, got {len(weights)}"
        raise ConfigError([Problem("loss.class_weights", rule)])
    return weights


class CrossEntropy(ClassWeighted):
    """Negative log-likelihood of the true class under the softmax of the outputs.

    In evaluation form targets are not smoothed, and each sample counts the same.

    Args:
        label_smoothing: share of the target spread evenly over all classes in training, in [0, 1]
            (Szegedy et al. 2016, section 7).
        class_weights: how much a sample counts in training: `none`, all the same; `balanced`, so that all classes
            do; or a weight > 0 for each class.
        class_counts: how many training samples are of each class.
        num_classes: number of classes, where it is known.
    """

    problem = "classification"

    def __init__(
        self,
        label_smoothing: UnitInterval = 0.0,
        class_weights: ClassWeights = "none",
        class_counts: Sequence[int] | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(class_weights, class_counts, num_classes)
        self.label_smoothing = label_smoothing

    def num_outputs(self, num_classes: int) -> int:
        """Return the outputs that a model needs: one a class."""
        return num_classes

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Average over outputs: (B, C) float and target: (B,) int64; returns a scalar."""
        if not self.training:
            return functional.cross_entropy(outputs, target)
        if self.weights is None:
            return functional.cross_entropy(outputs, target, label_smoothing=self.label_smoothing)
        return weighted_mean(self.of_each(outputs, target), target, self.weights)

    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the losses (B,) of samples."""
        return functional.cross_entropy(outputs, target, label_smoothing=self.label_smoothing, reduction="none")

    def predict(self, outputs: Tensor) -> Tensor:
        """Map outputs: (B, C) to class probabilities (B, C) float32."""
        return outputs.float().softmax(dim=1)


class Focal(ClassWeighted):
    """Cross-entropy in which a sample counts (1 - p)**gamma, p the probability that is given to its class.

    Args:
        gamma: how much less a sample counts that is classified well, >= 0; 0 is cross-entropy.
        class_weights: how much a sample counts in training: `none`, all the same; `balanced`, so that all classes
            do; or a weight > 0 for each class.
        class_counts: how many training samples are of each class.
        num_classes: number of classes, where it is known.

    Source: Lin et al. 2017, eq. 4 and 5, with the softmax over classes.
    """

    problem = "classification"

    def __init__(
        self,
        gamma: NonNegativeFloat = 2.0,
        class_weights: ClassWeights = "none",
        class_counts: Sequence[int] | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(class_weights, class_counts, num_classes)
        self.gamma = gamma

    def num_outputs(self, num_classes: int) -> int:
        """Return the outputs that a model needs: one a class."""
        return num_classes

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Average over outputs: (B, C) float and target: (B,) int64; returns a scalar."""
        losses = self.of_each(outputs, target)
        if self.weights is None or not self.training:
            return losses.mean()
        return weighted_mean(losses, target, self.weights)

    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the losses (B,) of samples."""
        cross_entropy = functional.cross_entropy(outputs, target, reduction="none")
        missed = -torch.expm1(-cross_entropy)  # 1 - p, exact where p is near 1
        return missed.clamp(min=_LEAST_MISSED) ** self.gamma * cross_entropy

    def predict(self, outputs: Tensor) -> Tensor:
        """Map outputs: (B, C) to class probabilities (B, C) float32."""
        return outputs.float().softmax(dim=1)


class BinaryCrossEntropy(ClassWeighted):
    """Cross-entropy of independent yes-or-no decisions: one output for two classes, else one a class.

    With more than two classes this is one-versus-rest; the most probable class is the decision.

    Args:
        class_weights: how much a sample counts in training: `none`, all the same; `balanced`, so that all classes
            do; or a weight > 0 for each class.
        class_counts: how many training samples are of each class.
        num_classes: number of classes, where it is known.
    """

    problem = "classification"

    def __init__(
        self,
        class_weights: ClassWeights = "none",
        class_counts: Sequence[int] | None = None,
        num_classes: int | None = None,
    ) -> None:
        super().__init__(class_weights, class_counts, num_classes)

    def num_outputs(self, num_classes: int) -> int:
        """Return the outputs that a model needs: 1 for two classes, else one a class."""
        return 1 if num_classes == 2 else num_classes

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Average over outputs: (B, 1) or (B, C) float and target: (B,) int64; returns a scalar."""
        if self.weights is None or not self.training:
            return functional.binary_cross_entropy_with_logits(outputs, self._wanted(outputs, target))
        return weighted_mean(self.of_each(outputs, target), target, self.weights)

    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the losses (B,) of samples, each the mean over its decisions."""
        wanted = self._wanted(outputs, target)
        return functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none").mean(dim=1)

    @staticmethod
    def _wanted(outputs: Tensor, target: Tensor) -> Tensor:
        columns = outputs.shape[1]
        own = target.unsqueeze(1)
        wanted = (
            own if columns == 1 else own == torch.arange(columns, device=target.device)
        )  # as one_hot, for vmap
        return wanted.to(outputs.dtype)

    def predict(self, outputs: Tensor) -> Tensor:
        """Map outputs: (B, 1) or (B, C) to probabilities (B, 2) or (B, C) float32."""
        probability = outputs.float().sigmoid()
        return torch.cat([1 - probability, probability], dim=1) if outputs.shape[1] == 1 else probability
