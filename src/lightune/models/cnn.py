"""A small convolutional network for images of any size."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from lightune.models.activations import Activation, activation_module
from lightune.ranges import PositiveInt, Probability

Pooling = Literal["max", "average", "none"]


class CNN(nn.Module):
    """Stack convolutions that keep the image size, each followed by pooling that halves it, and one hidden layer.

    Args:
        input_shape: (C, H, W) of one image.
        num_outputs: width of the output, > 0.
        channels: number of filters of each convolution; one entry a layer, each > 0.
        kernel_size: side of the square filters in pixels, > 0.
        pooling: `max` or `average` over 2x2 windows after each convolution, or `none`.
        units: width of the fully connected layer before the output, > 0.
        activation: name of the function after each convolution and the fully connected layer.
        dropout: probability of dropping a unit of the fully connected layer while training, in [0, 1).
        batch_norm: whether to normalize after each convolution.

    Raises:
        ValueError: if the input is no image, or pooling would shrink it to nothing.
    """

    accepts = ("image",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        channels: list[PositiveInt] = [32, 64],  # noqa: B006 - read only; a list, as in YAML
        kernel_size: PositiveInt = 3,
        pooling: Pooling = "max",
        units: PositiveInt = 128,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ValueError(f"a CNN takes images (C, H, W), got samples of shape {tuple(input_shape)}")
        features, height, width = input_shape
        modules: list[nn.Module] = []
        for depth, filters in enumerate(channels, start=1):
            modules.append(nn.Conv2d(features, filters, kernel_size, padding="same"))
            if batch_norm:
                modules.append(nn.BatchNorm2d(filters))
            modules.append(activation_module(activation))
            if pooling != "none":
                modules.append(nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2))
                height, width = height // 2, width // 2
            if not height or not width:
                raise ValueError(
                    f"channels must have fewer than {depth} entries with pooling={pooling}: "
                    f"images of {input_shape[1]}x{input_shape[2]} shrink to nothing, got {list(channels)}"
                )
            features = filters
        self.convolutions = nn.Sequential(*modules)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(features * height * width, units),
            activation_module(activation),
            nn.Dropout(dropout) if dropout else nn.Identity(),
            nn.Linear(units, num_outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, C, H, W) float32 to (B, num_outputs)."""
        output: Tensor = self.head(self.convolutions(x))
        return output
