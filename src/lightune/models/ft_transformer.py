"""A transformer whose tokens are the columns of a table (Gorishniy et al. 2021, section 3.3)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightune.models.activations import Activation, activation_module
from lightune.models.transformer import TransformerBlock
from lightune.ranges import PositiveInt, Probability


class FTTransformer(nn.Module):
    """Make a vector of each cell, let them attend to each other, and judge a vector that attends to all.

    Args:
        input_shape: shape of one sample; it is flattened.
        num_outputs: width of the output, > 0.
        embedding: length of a cell's vector, > 0.
        layers: number of blocks of attention and feed-forward layers, > 0.
        heads: parts of a vector that attend by themselves, > 0; they divide `embedding`.
        units: width of the feed-forward layers, > 0.
        activation: name of the function in the feed-forward layers and before the output; the paper has a gated
            one.
        dropout: probability of dropping a feature of what a block adds while training, in [0, 1).
        cardinalities: number of codes of each categorical column, which stand last in a row; each code has a
            vector.

    Raises:
        ValueError: if `heads` does not divide `embedding`.
    """

    accepts = ("table",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        embedding: PositiveInt = 64,
        layers: PositiveInt = 2,
        heads: PositiveInt = 4,
        units: PositiveInt = 128,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        cardinalities: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.tokens = _CellVectors(math.prod(input_shape), embedding, cardinalities)
        self.blocks = nn.ModuleList(
            TransformerBlock(embedding, heads, units, activation, dropout) for _ in range(layers)
        )
        self.output = nn.Sequential(
            nn.LayerNorm(embedding), activation_module(activation), nn.Linear(embedding, num_outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, *input_shape) float32 to (B, num_outputs)."""
        vectors = self.tokens(x.flatten(1))
        for block in self.blocks:
            vectors = block(vectors)
        output: Tensor = self.output(vectors[:, 0])
        return output


class _CellVectors(nn.Module):
    """Make vectors of a row's cells, behind one that no cell has: a number times a vector, or a category's own."""

    def __init__(self, width: int, embedding: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self.numbers = width - len(cardinalities)
        bound = embedding**-0.5
        self.biases = nn.Parameter(torch.empty(1 + width, embedding).uniform_(-bound, bound))
        self.scales = nn.Parameter(torch.empty(self.numbers, embedding).uniform_(-bound, bound))
        self.tables = nn.ModuleList(nn.Embedding(count, embedding) for count in cardinalities)
        for table in self.tables:
            nn.init.uniform_(table.weight, -bound, bound)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (B, numbers + codes) float32 to (B, 1 + numbers + codes, embedding)."""
        numbers, codes = x[:, : self.numbers, None] * self.scales, x[:, self.numbers :].long()
        categories = [table(codes[:, place]).unsqueeze(1) for place, table in enumerate(self.tables)]
        nothing = torch.zeros_like(self.biases[:1]).expand(x.shape[0], -1, -1)
        return torch.cat([nothing, numbers, *categories], dim=1) + self.biases
