"""Losses of regression, averaged over samples and targets."""

from torch import Tensor, nn

from lightune.ranges import PositiveFloat


class MSE(nn.MSELoss):
    """Mean squared error."""

    problem = "regression"

    def __init__(self) -> None:
        super().__init__()


class MAE(nn.L1Loss):
    """Mean absolute error."""

    problem = "regression"

    def __init__(self) -> None:
        super().__init__()


class Huber(nn.HuberLoss):
    """Squared error near zero, absolute error beyond (Huber 1964).

    Args:
        delta: difference beyond which the loss is linear, in units of the scaled target, > 0.
    """

    problem = "regression"

    def __init__(self, delta: PositiveFloat = 1.0) -> None:
        super().__init__(delta=delta)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Average over input and target: (B, T) float; returns a scalar."""
        return super().forward(input, target)
