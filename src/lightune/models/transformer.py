"""The block of a transformer encoder (Vaswani et al. 2017), normalized before each part (Xiong et al. 2020)."""

from torch import Tensor, nn
from torch.nn import functional

from lightune.models.activations import Activation, activation_module

__all__ = ["TransformerBlock"]


class TransformerBlock(nn.Module):
    """Add to each vector what attention finds in all of them, then what two linear layers make of it.

    Args:
        width: length of a vector, > 0.
        heads: parts of a vector that attend by themselves; they divide `width`.
        units: width of the hidden layer of the second part, > 0.
        activation: name of the function after it.
        dropout: probability of dropping a feature of what either part adds while training, in [0, 1).

    Raises:
        ValueError: if `heads` does not divide `width`.
    """

    def __init__(self, width: int, heads: int, units: int, activation: Activation, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide embedding={width}, got {heads}")
        self.attention = _Attention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, units), activation_module(activation), nn.Linear(units, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropouts = nn.ModuleList(nn.Dropout(dropout) if dropout else nn.Identity() for _ in range(2))

    def forward(self, x: Tensor, attended: Tensor | None = None) -> Tensor:
        """Map vectors (B, T, width) to others.

        Args:
            x: the vectors.
            attended: (B, T) bool, which of them are seen by any; at least one of each row. All by default.
        """
        x = x + self.dropouts[0](self.attention(self.norms[0](x), attended))
        mapped: Tensor = x + self.dropouts[1](self.feed_forward(self.norms[1](x)))
        return mapped


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, attended: Tensor | None) -> Tensor:
        """Map vectors (B, T, width) to weighted means of what they attend to (B, T, width)."""
        queries, keys, values = self.inputs(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mask = None if attended is None else attended[:, None, None, :]
        found = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        output: Tensor = self.output(found.transpose(1, 2).flatten(2))
        return output
