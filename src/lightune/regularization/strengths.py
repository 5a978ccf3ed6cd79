"""The strengths of regularization, and the penalty that two of them add to the loss."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lightune.ranges import NonNegativeFloat, PositiveFloat, Probability, UnitInterval
from lightune.regularization.averages import WeightAverage


class Regularization:
    """Hold every strength of a run; a preset sets some, the command line any.

    Args:
        l1: λ of λ Σ|θ| over the weights, >= 0 (Tibshirani 1996).
        l2: λ of λ Σθ² over the weights, >= 0 (Hoerl & Kennard 1970). Apart from an optimizer's `weight_decay`.
        dropout: probability of dropping a unit, in [0, 1); models read it by interpolation.
        gradient_clip: largest norm of the gradient of all parameters, > 0; None leaves it free
            (Pascanu et al. 2013, algorithm 1).
        label_smoothing: share of the target spread evenly over all classes in training, in [0, 1]
            (Szegedy et al. 2016, section 7); the same as that of `CrossEntropy`, which is set by it.
        mixup: alpha of Beta(alpha, alpha), of which is drawn what share a training sample has when it is mixed
            with another, >= 0; 0 mixes none (Zhang et al. 2018).
        cutmix: alpha of Beta(alpha, alpha), of which is drawn how large a box of an image, or of a sound's
            spectrogram, comes from another, >= 0; 0 mixes none (Yun et al. 2019).
        ema: decay of an exponential average of the weights over the steps, in [0, 1), which is judged and saved
            in their place; 0 for none (Polyak & Juditsky 1992).
        swa: share of the epochs, in [0, 1), after which the mean of the weights at each epoch's end is judged and
            saved in their place; None for none (Izmailov et al. 2018).

    Attributes:
        factor: what `l1` and `l2` are multiplied by at present, where a schedule changes them.
    """

    def __init__(
        self,
        l1: NonNegativeFloat = 0.0,
        l2: NonNegativeFloat = 0.0,
        dropout: Probability = 0.0,
        gradient_clip: PositiveFloat | None = None,
        label_smoothing: UnitInterval = 0.0,
        mixup: NonNegativeFloat = 0.0,
        cutmix: NonNegativeFloat = 0.0,
        ema: Probability = 0.0,
        swa: Probability | None = None,
    ) -> None:
        self.l1 = l1
        self.l2 = l2
        self.dropout = dropout
        self.gradient_clip = gradient_clip
        self.label_smoothing = label_smoothing
        self.mixup = mixup
        self.cutmix = cutmix
        self.ema = ema
        self.swa = swa
        self.factor = 1.0

    def average_of(self, model: nn.Module) -> WeightAverage | None:
        """Return what averages a model's weights from now on; None if nothing is averaged."""
        if not self.ema and self.swa is None:
            return None
        return WeightAverage(model, self.ema or None)

    def penalty(self, model: nn.Module) -> Tensor | None:
        """Return l1 Σ|θ| + l2 Σθ² over the trainable weights of a model, times the factor; None if both are 0."""
        if not self.l1 and not self.l2:
            return None
        terms = [self._term(weight) for weight in weights(model)]
        if not terms:
            return None
        penalty = torch.stack(terms).sum()
        return penalty if self.factor == 1 else penalty * self.factor

    def _term(self, weight: Tensor) -> Tensor:
        term = weight.new_zeros(())
        if self.l1:
            term = term + self.l1 * weight.abs().sum()
        if self.l2:
            term = term + self.l2 * weight.square().sum()
        return term


def weights(model: nn.Module) -> Iterable[Tensor]:
    """Yield the trainable parameters with two or more dimensions: no biases, no scales of a norm."""
    return (parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim >= 2)
