"""A small transformer encoder for texts (Vaswani et al. 2017), trained from scratch."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lightune.models.activations import Activation
from lightune.models.transformer import TransformerBlock
from lightune.ranges import PositiveInt, Probability

Pooling = Literal["mean", "cls"]
Positions = Literal["learned", "sinusoidal"]

_LONGEST_WAVE = 10_000


class TextTransformer(nn.Module):
    """Let the vectors of a text's tokens attend to each other, and judge their mean or a vector of its own.

    Nothing attends to padding, and its vectors are not judged.

    Args:
        input_shape: (T,) tokens of one text, padded with 0.
        num_outputs: width of the output, > 0.
        cardinalities: (vocabulary,) how many tokens there are, with padding.
        embedding: length of a token's vector, > 0.
        layers: number of blocks of attention and feed-forward layers, > 0.
        heads: parts of a vector that attend by themselves, > 0; they divide `embedding`.
        units: width of the feed-forward layers, > 0.
        pooling: `mean` over the tokens, or `cls`: a learnt vector before the text that attends to all of it.
        positions: what tells a token's place: a `learned` vector for each (behind T that of the last), or
            `sinusoidal` waves (Vaswani et al. 2017, section 3.5).
        activation: name of the function in the feed-forward layers.
        dropout: probability of dropping a feature of the vectors, of what a block adds, and before the output
            while training, in [0, 1).

    Raises:
        ValueError: if `heads` does not divide `embedding`.
    """

    accepts = ("text",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        cardinalities: Sequence[int],
        embedding: PositiveInt = 64,
        layers: PositiveInt = 2,
        heads: PositiveInt = 4,
        units: PositiveInt = 128,
        pooling: Pooling = "mean",
        positions: Positions = "learned",
        activation: Activation = "gelu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(cardinalities[0], embedding)
        self.positions = _Learned(input_shape[0], embedding) if positions == "learned" else _Waves(embedding)
        self.first = nn.Parameter(torch.randn(1, 1, embedding)) if pooling == "cls" else None
        self.dropouts = nn.ModuleList(nn.Dropout(dropout) if dropout else nn.Identity() for _ in range(2))
        self.blocks = nn.ModuleList(
            TransformerBlock(embedding, heads, units, activation, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(embedding)
        self.output = nn.Linear(embedding, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, T) int64, 0 for padding, to (B, num_outputs)."""
        there = x > 0
        always = torch.ones_like(there[:, :1])
        vectors = self.embedding(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        if self.first is None:
            attended = torch.cat([always, there[:, 1:]], dim=1)  # a text without tokens attends to something, too
        else:
            attended = torch.cat([always, there], dim=1)
            vectors = torch.cat([self.first.expand(x.shape[0], -1, -1), vectors], dim=1)
        vectors = self.dropouts[0](vectors)
        for block in self.blocks:
            vectors = block(vectors, attended)
        vectors = self.norm(vectors)
        if self.first is None:
            counted = there.unsqueeze(2).to(vectors.dtype)
            pooled = (vectors * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
        else:
            pooled = vectors[:, 0]
        output: Tensor = self.output(self.dropouts[1](pooled))
        return output


class _Learned(nn.Module):
    """A vector for each place."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(length, width)
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, places: Tensor) -> Tensor:
        """Map places (T,) to vectors (T, width)."""
        vectors: Tensor = self.table(places.clamp(max=self.table.num_embeddings - 1))
        return vectors


class _Waves(nn.Module):
    """Sines and cosines of wavelengths from 2π to 10,000 · 2π (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        steps = torch.arange(0, width, 2, dtype=torch.float32)
        self.register_buffer("frequencies", torch.exp(-math.log(_LONGEST_WAVE) * steps / width), persistent=False)
        self.frequencies: Tensor

    def forward(self, places: Tensor) -> Tensor:
        """Map places (T,) to vectors (T, width)."""
        angles = places.unsqueeze(1).to(self.frequencies.dtype) * self.frequencies
        return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, : self.width]
