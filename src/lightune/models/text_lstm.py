"""A recurrent network that reads a text token by token (Hochreiter & Schmidhuber 1997)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lightune.ranges import PositiveInt, Probability

Pooling = Literal["last", "mean", "max"]


class TextLSTM(nn.Module):
    """Read the vectors of a text's tokens with LSTM layers, and judge what their states say together.

    Padding stands behind a text, so that reading on behind its end changes nothing before it; the second direction
    begins at the last token. No state of padding is judged.

    Args:
        input_shape: (T,) tokens of one text, padded with 0.
        num_outputs: width of the output, > 0.
        cardinalities: (vocabulary,) how many tokens there are, with padding.
        embedding: length of a token's vector, > 0.
        layers: number of LSTM layers, each of which reads the states of the one before, > 0.
        units: length of a state, of each direction, > 0.
        bidirectional: whether texts are also read from their end (Graves & Schmidhuber 2005).
        pooling: what of the last layer's states is judged: the `last` of each direction, or their `mean` or `max`
            over the tokens.
        dropout: probability of dropping a feature before each layer and before the output while training, in
            [0, 1).
    """

    accepts = ("text",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        cardinalities: Sequence[int],
        embedding: PositiveInt = 64,
        layers: PositiveInt = 1,
        units: PositiveInt = 64,
        bidirectional: bool = True,
        pooling: Pooling = "max",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.embedding = nn.Embedding(cardinalities[0], embedding)
        directions = 2 if bidirectional else 1
        widths = [embedding, *[directions * units] * layers]
        self.readers = nn.ModuleList(
            nn.ModuleList(nn.LSTM(width, units, batch_first=True) for _ in range(directions))
            for width in widths[:-1]
        )
        self.dropout = nn.ModuleList(nn.Dropout(dropout) if dropout else nn.Identity() for _ in widths)
        self.output = nn.Linear(widths[-1], num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, T) int64, 0 for padding, to (B, num_outputs)."""
        there = x > 0
        lengths = there.sum(dim=1, keepdim=True)
        places = torch.arange(x.shape[1], device=x.device).expand_as(x)
        backwards = torch.where(places < lengths, lengths - 1 - places, places)
        states = [self.embedding(x)]
        for drop, readers in zip(self.dropout, self.readers, strict=False):
            read = drop(torch.cat(states, dim=2))
            states = [readers[0](read)[0]]  # type: ignore[index]
            if len(readers) == 2:  # type: ignore[arg-type]
                reversed_states = readers[1](_ordered(read, backwards))[0]  # type: ignore[index]
                states.append(_ordered(reversed_states, backwards))
        output: Tensor = self.output(self.dropout[-1](self._pooled(states, there, lengths)))
        return output

    def _pooled(self, states: list[Tensor], there: Tensor, lengths: Tensor) -> Tensor:
        """Return what of the states (B, T, units) of each direction is judged, (B, directions x units)."""
        if self.pooling == "last":
            ends = [
                (lengths - 1).clamp(min=0),
                torch.zeros_like(lengths),
            ]  # of a text without tokens any, see below
            last = [_ordered(each, end).squeeze(1) for each, end in zip(states, ends, strict=False)]
            return torch.cat(last, dim=1) * (lengths > 0).to(states[0].dtype)
        every, there = torch.cat(states, dim=2), there.unsqueeze(2)
        if self.pooling == "mean":
            return (every * there.to(every.dtype)).sum(dim=1) / lengths.clamp(min=1)
        return every.masked_fill(~there, -1.0).amax(dim=1) * (lengths > 0).to(every.dtype)  # states are > -1


def _ordered(x: Tensor, places: Tensor) -> Tensor:
    """Return the vectors of x: (B, T, F) that stand at places (B, S), as (B, S, F)."""
    return x.gather(1, places.unsqueeze(2).expand(-1, -1, x.shape[2]))
