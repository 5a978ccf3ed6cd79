"""The mean of the vectors of a text's tokens, and a small network behind it (Joulin et al. 2017)."""

from collections.abc import Sequence

from torch import Tensor, nn

from lightune.models.activations import Activation, activation_module
from lightune.ranges import NonNegativeInt, PositiveInt, Probability


class TextMean(nn.Module):
    """Take the mean of learnt vectors over the tokens of a text, then fully connected layers.

    Args:
        input_shape: (T,) tokens of one text, padded with 0.
        num_outputs: width of the output, > 0.
        cardinalities: (vocabulary,) how many tokens there are, with padding.
        embedding: length of a token's vector, > 0.
        layers: number of hidden layers behind the mean, >= 0.
        units: width of each hidden layer, > 0.
        activation: name of the function after each hidden layer.
        dropout: probability of dropping a feature before each layer while training, in [0, 1).
    """

    accepts = ("text",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        cardinalities: Sequence[int],
        embedding: PositiveInt = 64,
        layers: NonNegativeInt = 1,
        units: PositiveInt = 64,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(cardinalities[0], embedding)
        modules: list[nn.Module] = []
        features = embedding
        for _ in range(layers):
            modules += [nn.Dropout(dropout) if dropout else nn.Identity()]
            modules += [nn.Linear(features, units), activation_module(activation)]
            features = units
        modules += [nn.Dropout(dropout) if dropout else nn.Identity(), nn.Linear(features, num_outputs)]
        self.head = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, T) int64, 0 for padding, to (B, num_outputs)."""
        there = (x > 0).unsqueeze(-1).to(self.embedding.weight.dtype)
        mean = (self.embedding(x) * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        output: Tensor = self.head(mean)
        return output
