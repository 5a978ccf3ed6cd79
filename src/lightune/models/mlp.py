"""A fully connected network whose depth, widths, activations and connections are parameters."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lightune.models.activations import Activation, activation_module
from lightune.models.embedding import CategoryEmbedding
from lightune.ranges import NonNegativeInt, PositiveInt, Probability

Connections = Literal["plain", "residual", "dense"]


class MLP(nn.Module):
    """Stack fully connected layers between a flattened input and a linear output.

    Each hidden layer is linear, then (optionally) batch normalization, activation, dropout.

    Args:
        input_shape: shape of one sample; it is flattened.
        num_outputs: width of the output, > 0.
        layers: number of hidden layers, >= 0; with 0 the network is linear.
        units: width of every hidden layer, > 0, or a list with one width a layer.
        activation: name of the function after each hidden layer.
        dropout: probability of dropping a hidden unit while training, in [0, 1).
        batch_norm: whether to normalize before each activation.
        connections: how layers join. `plain`: each feeds the next. `residual`: each adds to its input, through
            a linear projection where widths differ (He et al. 2016, eq. 1 and 2). `dense`: each sees the
            concatenation of all features before it (Huang et al. 2017, eq. 2), the output layer too.
        cardinalities: number of codes of each categorical column, which stand last in a row; the network learns
            vectors in their place.

    Raises:
        ValueError: if `units` is a list whose length is not `layers`.
    """

    accepts = ("image", "table")

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        layers: NonNegativeInt = 2,
        units: PositiveInt | list[PositiveInt] = 128,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        batch_norm: bool = False,
        connections: Connections = "plain",
        cardinalities: Sequence[int] = (),
    ) -> None:
        super().__init__()
        widths = [units] * layers if isinstance(units, int) else list(units)
        if len(widths) != layers:
            raise ValueError(f"units must be one number or a list of {layers} (layers={layers}), got {widths}")
        self.connections = connections
        self.flatten: nn.Module = nn.Flatten()
        self.blocks = nn.ModuleList()
        self.shortcuts = nn.ModuleList()
        features = math.prod(input_shape)
        if cardinalities:
            self.flatten = embedding = CategoryEmbedding(cardinalities, features)
            features = embedding.width
        for width in widths:
            self.blocks.append(_block(features, width, activation, dropout, batch_norm))
            if connections == "residual":
                self.shortcuts.append(
                    nn.Identity() if features == width else nn.Linear(features, width, bias=False)
                )
            features = features + width if connections == "dense" else width
        self.output = nn.Linear(features, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, *input_shape) float32 to (B, num_outputs)."""
        x = self.flatten(x)
        for index, block in enumerate(self.blocks):
            if self.connections == "residual":
                x = self.shortcuts[index](x) + block(x)
            elif self.connections == "dense":
                x = torch.cat([x, block(x)], dim=1)
            else:
                x = block(x)
        output: Tensor = self.output(x)
        return output


def _block(features: int, width: int, activation: Activation, dropout: float, batch_norm: bool) -> nn.Sequential:
    modules: list[nn.Module] = [nn.Linear(features, width)]
    if batch_norm:
        modules.append(nn.BatchNorm1d(width))
    modules.append(activation_module(activation))
    if dropout:
        modules.append(nn.Dropout(dropout))
    return nn.Sequential(*modules)
