"""A small convolutional network for spectrograms."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightune.models.activations import Activation, activation_module
from lightune.ranges import PositiveInt, Probability


class AudioCNN(nn.Module):
    """Stack normalized convolutions that halve bands and frames, then take mean and maximum over what is left.

    Args:
        input_shape: (1, mels, frames) of one spectrogram.
        num_outputs: width of the output, > 0.
        channels: number of filters of each convolution; one entry a layer, each > 0.
        activation: name of the function after each convolution.
        dropout: probability of dropping a feature before the output while training, in [0, 1).

    Raises:
        ValueError: if the input is no spectrogram, or is too small for so many layers.
    """

    accepts = ("audio",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        channels: list[PositiveInt] = [16, 32, 64],  # noqa: B006 - read only; a list, as in YAML
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ValueError(f"an AudioCNN takes spectrograms (1, mels, frames), got {tuple(input_shape)}")
        if min(input_shape[1:]) >> len(channels) < 1:
            size = "x".join(map(str, input_shape[1:]))
            raise ValueError(f"channels must have fewer entries: {size} shrink to nothing, got {list(channels)}")
        modules: list[nn.Module] = []
        features = input_shape[0]
        for filters in channels:
            modules += [nn.Conv2d(features, filters, 3, padding=1), nn.BatchNorm2d(filters)]
            modules += [activation_module(activation), nn.MaxPool2d(2)]
            features = filters
        self.convolutions = nn.Sequential(*modules)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.output = nn.Linear(2 * features, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, 1, mels, frames) float32 to (B, num_outputs)."""
        x = self.convolutions(x).flatten(2)
        x = torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)
        output: Tensor = self.output(self.dropout(x))
        return output
