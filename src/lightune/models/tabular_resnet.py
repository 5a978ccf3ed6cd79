"""A residual network for tables (Gorishniy et al. 2021, section 3.2)."""

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from lightune.models.activations import Activation, activation_module
from lightune.models.embedding import CategoryEmbedding
from lightune.ranges import PositiveInt, Probability

Normalization = Literal["batch", "layer"]


class TabularResNet(nn.Module):
    """Add to a row's features what each block makes of them: normalize, widen, activate, drop, narrow.

    Args:
        input_shape: shape of one sample; it is flattened.
        num_outputs: width of the output, > 0.
        blocks: number of residual blocks, > 0.
        units: number of features that blocks add to, > 0.
        hidden: width inside of a block, > 0.
        normalization: `batch` normalizes a feature over a batch's rows, `layer` a row over its features.
        activation: name of the function in the blocks and before the output.
        dropout: probability of dropping a hidden feature of a block while training, in [0, 1).
        cardinalities: number of codes of each categorical column, which stand last in a row; the network learns
            vectors in their place.
    """

    accepts = ("table",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        blocks: PositiveInt = 2,
        units: PositiveInt = 128,
        hidden: PositiveInt = 256,
        normalization: Normalization = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        cardinalities: Sequence[int] = (),
    ) -> None:
        super().__init__()
        features = math.prod(input_shape)
        self.flatten: nn.Module = nn.Flatten()
        if cardinalities:
            self.flatten = embedding = CategoryEmbedding(cardinalities, features)
            features = embedding.width
        self.input = nn.Linear(features, units)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _normalization(normalization, units),
                nn.Linear(units, hidden),
                activation_module(activation),
                nn.Dropout(dropout) if dropout else nn.Identity(),
                nn.Linear(hidden, units),
            )
            for _ in range(blocks)
        )
        self.output = nn.Sequential(
            _normalization(normalization, units), activation_module(activation), nn.Linear(units, num_outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, *input_shape) float32 to (B, num_outputs)."""
        x = self.input(self.flatten(x))
        for block in self.blocks:
            x = x + block(x)
        output: Tensor = self.output(x)
        return output


def _normalization(name: Normalization, width: int) -> nn.Module:
    return nn.BatchNorm1d(width) if name == "batch" else nn.LayerNorm(width)
