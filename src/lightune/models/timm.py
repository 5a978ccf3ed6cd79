"""Networks of the package timm with a new head, from scratch or from weights that others have trained."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from lightune.models.transfer import TransferNetwork
from lightune.models.weights import load_into, make_undrawn, read_weights

__all__ = ["Timm"]


class Timm(TransferNetwork):
    """One of timm's thousand networks for images, its last layer exchanged for a new head.

    Args:
        input_shape: (C, H, W) of one image, of one or three channels.
        num_outputs: width of the output, > 0.
        name: of the network, as timm spells it: `resnet18`, `tf_efficientnet_lite0`, ….
        weights: null draws them at random; `DEFAULT` is what timm downloads; or a file of `torch.save` or
            safetensors.
        freeze: `none`; `features`, all but the head; or a module's name: everything up to that one.
        unfreeze_at: epoch, from 0, from which what was frozen is trained, too; null is never.
        body_lr: what the learning rate is multiplied by for all but the head, > 0.
        layer_decay: what that rate is multiplied by for each block further from the head, > 0.
        units: width of each hidden layer of the head; none is a linear head.
        activation: name of the function after each hidden layer of the head.
        dropout: probability of dropping a feature before each layer of the head while training, in [0, 1).
        image_size: side in pixels that images are resized to; null leaves them.
        views: of how many augmented views of each training image a frozen body's features are computed, once; 0
            computes them of each epoch's own.

    Raises:
        ValueError: if timm is not installed, there is no such network, module or file, the weights are another
            network's, or the images are too small.
    """

    input_mean = (0.5, 0.5, 0.5)  # of most; `statistics_of` knows each
    input_deviation = (0.5, 0.5, 0.5)

    @staticmethod
    def make_body(name: str, weights: str | None, *, shared: bool) -> nn.Module:
        """Make the network without its last layers."""
        return _body(name, weights, shared=shared)

    @classmethod
    def statistics_of(cls, name: str = "resnet18", **_: Any) -> tuple[Sequence[float], Sequence[float]]:
        """Return mean and deviation of each channel that the weights of a network want, of values in [0, 1]."""
        known = _timm().models.get_pretrained_cfg(name)
        if known is None:
            return cls.input_mean, cls.input_deviation
        return tuple(known.mean), tuple(known.std)


def _body(name: str, weights: str | None, *, shared: bool) -> nn.Module:
    timm = _timm()
    if not timm.is_model(name):
        close = ", ".join(timm.list_models(f"*{name}*")[:3] or timm.list_models(f"{name[:6]}*")[:3])
        raise ValueError(f"name must be one of timm's networks{f', such as {close}' if close else ''}, got {name}")
    if weights is None:
        return _without_head(timm, name)
    if weights == "DEFAULT":
        return _downloaded(timm, name)
    file = Path(weights).expanduser()
    if not file.is_file():
        raise ValueError(f"there is no file {file.absolute()}; weights may also be null or DEFAULT")
    body = make_undrawn(lambda: _without_head(timm, name))
    load_into(
        body, read_weights(file), file, left_out=("classifier.", "fc.", "head.", "head_dist."), shared=shared
    )
    return body


def _without_head(timm: ModuleType, name: str) -> nn.Module:
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return network


def _downloaded(timm: ModuleType, name: str) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # whatever a hub's client raises without a network
        reason = " ".join(str(error).split())[:200]
        rule = f"weights=DEFAULT of {name} could not be had ({reason})"
        raise ValueError(f"{rule}; name a file of weights: model.weights=FILE.safetensors") from error
    return network


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise ValueError("timm is not installed: pip install 'lightune[timm]'") from error
    module: ModuleType = timm
    return module
