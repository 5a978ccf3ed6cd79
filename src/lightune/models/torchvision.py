"""Torchvision's classifiers with a new head, from scratch or from weights that others have trained."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from lightune.models.transfer import TransferNetwork
from lightune.models.weights import load_into, make_undrawn, read_weights, torchvision_file

__all__ = ["Torchvision", "classifiers"]

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # further heads of GoogLeNet and Inception
_POOLED = (
    "vgg",
    "alexnet",
    "squeezenet",
)  # whose last layers are more than one: the features are averaged instead


class Torchvision(TransferNetwork):
    """One of torchvision's classifiers of images, its last layer exchanged for a new head.

    Of VGG, AlexNet and SqueezeNet all fully connected layers are exchanged, and the features averaged over the
    image, as of Keras' `include_top=False, pooling="avg"`.

    Args:
        input_shape: (C, H, W) of one image, of one or three channels.
        num_outputs: width of the output, > 0.
        name: of the network, as torchvision spells it: `resnet18`, `vgg16`, `efficientnet_b0`, ….
        weights: null draws them at random; `DEFAULT` or another name of torchvision's; or a file of
            `torch.save` or safetensors.
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
        ValueError: if there is no such network, module or file, the weights are another network's, or the images
            are too small.
    """

    input_mean = (0.485, 0.456, 0.406)  # that its weights want, of values in [0, 1], a channel each
    input_deviation = (0.229, 0.224, 0.225)

    @staticmethod
    def make_body(name: str, weights: str | None, *, shared: bool) -> nn.Module:
        """Make the network without its last layers."""
        return _body(name, weights, shared=shared)


def classifiers() -> list[str]:
    """Return the names of torchvision's classifiers of images, in the order of the alphabet."""
    from torchvision.models import list_models

    names: list[str] = list_models(module=_classification())
    return names


def _body(name: str, weights: str | None, *, shared: bool) -> nn.Module:
    """Return a network without its last layers.

    Args:
        name: as torchvision spells it.
        weights: their name or file; None draws them.
        shared: whether the weights are never changed, so that networks may share them.
    """
    if weights is None:
        return _without_last_layers(name, _classifier(name))[0]
    file = Path(weights).expanduser()
    if not file.is_file():
        if file.suffix or file.parent != Path():
            raise ValueError(f"there is no file {file.absolute()}; weights may also be null, DEFAULT or a name")
        file = torchvision_file(name, weights)
    left_out: list[str] = []

    def make() -> nn.Module:
        network, last = _without_last_layers(name, _classifier(name, transform_input=True))
        left_out[:] = [last]
        return network

    body = make_undrawn(make)
    load_into(body, read_weights(file), file, left_out=(*left_out, *_AUXILIARY), shared=shared)
    return body


def _classifier(name: str, *, transform_input: bool = False) -> nn.Module:
    from torchvision.models import get_model_builder

    known = classifiers()
    if name not in known:
        close = _close(name, known)
        rule = f"name must be one of torchvision's {len(known)} classifiers, such as {close}"
        raise ValueError(f"{rule}, got {name}")
    keys: dict[str, bool] = {}
    if name in ("googlenet", "inception_v3"):  # whose weights are of images that are scaled in another way
        keys = {"aux_logits": False, "init_weights": False, "transform_input": transform_input}
    network: nn.Module = get_model_builder(name)(weights=None, **keys)
    return network


def _classification() -> object:
    import torchvision

    return torchvision.models


def _close(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    return ", ".join(get_close_matches(name, known, n=3, cutoff=0.4) or known[:3])


def _without_last_layers(name: str, network: nn.Module) -> tuple[nn.Module, str]:
    """Return a classifier whose outputs are its features, and how the names of the layers taken away begin."""
    if name.startswith(_POOLED):
        network.classifier = nn.Identity()
        network.avgpool = nn.AdaptiveAvgPool2d(1)
        if name.startswith("squeezenet"):
            network.features.append(nn.AdaptiveAvgPool2d(1))  # type: ignore[operator, union-attr]
        return network, "classifier."
    last = [key for key, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    parent, _, child = last.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return network, f"{last}."
