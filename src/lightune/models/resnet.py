"""A residual network for small images (He et al. 2016, section 4.2)."""

from collections.abc import Sequence

from torch import Tensor, nn

from lightune.models.activations import Activation, activation_module
from lightune.ranges import PositiveInt, Probability


class ResNet(nn.Module):
    """Stack stages of residual blocks of two 3x3 convolutions behind a 3x3 convolution; take the mean over places.

    Where a block changes the size or the number of channels, its shortcut is a 1x1 convolution.

    Args:
        input_shape: (C, H, W) of one image.
        num_outputs: width of the output, > 0.
        channels: number of filters of each stage; one entry a stage, each > 0.
        blocks: residual blocks of every stage, > 0, or a list with one number a stage.
        strides: step of the first convolution of each stage, which divides the size by it; one entry a stage,
            each > 0. By default 1, then 2 each.
        activation: name of the function after each convolution.
        dropout: probability of dropping a feature before the output while training, in [0, 1).
        batch_norm: whether to normalize after each convolution.

    Raises:
        ValueError: if the input is no image, a list has not one entry a stage, or strides shrink it to nothing.
    """

    accepts = ("image",)

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        channels: list[PositiveInt] = [16, 32, 64],  # noqa: B006 - read only; a list, as in YAML
        blocks: PositiveInt | list[PositiveInt] = 2,
        strides: list[PositiveInt] | None = None,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ValueError(f"a ResNet takes images (C, H, W), got samples of shape {tuple(input_shape)}")
        depths = [blocks] * len(channels) if isinstance(blocks, int) else list(blocks)
        steps = [2 if stage else 1 for stage in range(len(channels))] if strides is None else list(strides)
        for name, given in (("blocks", depths), ("strides", steps)):
            if len(given) != len(channels):
                raise ValueError(f"{name} must have an entry for each of channels={list(channels)}, got {given}")
        _require_places(input_shape[1:], steps)
        features = channels[0] if channels else input_shape[0]
        modules = [*_convolution(input_shape[0], features, 1, batch_norm), activation_module(activation)]
        for filters, depth, step in zip(channels, depths, steps, strict=True):
            for place in range(depth):
                modules.append(_Block(features, filters, 1 if place else step, activation, batch_norm))
                features = filters
        self.convolutions = nn.Sequential(*modules)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.output = nn.Linear(features, num_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")  # He et al. 2015

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, C, H, W) float32 to (B, num_outputs)."""
        output: Tensor = self.output(self.dropout(self.convolutions(x).mean(dim=(2, 3))))
        return output


class _Block(nn.Module):
    """Add two convolutions of an image to it, and activate the sum."""

    def __init__(self, before: int, after: int, stride: int, activation: Activation, batch_norm: bool) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(before, after, stride, batch_norm),
            activation_module(activation),
            *_convolution(after, after, 1, batch_norm),
        )
        changes = stride != 1 or before != after
        shortcut = _convolution(before, after, stride, batch_norm, size=1) if changes else []
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = activation_module(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map x: (B, before, H, W) to (B, after, H / stride, W / stride), rounded up."""
        activated: Tensor = self.activation(self.residual(x) + self.shortcut(x))
        return activated


def _convolution(before: int, after: int, stride: int, batch_norm: bool, *, size: int = 3) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=not batch_norm)
    return [convolution, nn.BatchNorm2d(after)] if batch_norm else [convolution]


def _require_places(size: Sequence[int], strides: Sequence[int]) -> None:
    height, width = size
    for stride in strides:
        if min(height, width) < stride:
            raise ValueError(
                f"strides must divide less, or channels have fewer entries: images of {size[0]}x{size[1]} "
                f"shrink to nothing, got {list(strides)}"
            )
        height, width = -(-height // stride), -(-width // stride)
