"""Networks whose body others have trained: frozen, thawed, or trained at a rate of its own."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightune.models.activations import Activation, activation_module
from lightune.models.weights import digest_of
from lightune.ranges import NonNegativeInt, PositiveFloat, PositiveInt, Probability

__all__ = ["FrozenBody", "ParameterGroup", "TransferNetwork"]

ParameterGroup = tuple[float, list[nn.Parameter]]
"""What the learning rate is multiplied by, and the parameters."""

_ENOUGH = 64  # pixels of a side, for most bodies
_BLOCK = re.compile(r"(.*?\d+)(?:\.|$)")


class TransferNetwork(nn.Module):
    """Put a new head on a body that maps images to features.

    Of a body that is frozen for the whole run and not drawn at random, checkpoints keep a digest only.

    Args:
        input_shape: (C, H, W) of one image; one channel is shown to the body three times.
        num_outputs: width of the output, > 0.
        name: of the body, as who made it spells it.
        weights: null draws them at random; else what can be had again: a name, or a file.
        freeze: `none`; `features`, the whole body; or the name of a module of it: everything up to that one.
        unfreeze_at: epoch, from 0, from which what was frozen is trained, too; None is never.
        body_lr: what the learning rate is multiplied by for the body, > 0.
        layer_decay: what that rate is multiplied by for each block further from the head, > 0
            (Howard & Ruder 2018, section 3.2; Clark et al. 2020).
        units: width of each hidden layer of the head; none is a linear head.
        activation: name of the function after each hidden layer of the head.
        dropout: probability of dropping a feature before each layer of the head while training, in [0, 1).
        image_size: side in pixels that images are resized to; None leaves them.
        views: of how many augmented views of each training image a frozen body's features are computed, once; 0
            computes them of each epoch's own.

    Raises:
        ValueError: if the images have another number of channels or are too small, or there is no such module.
    """

    accepts = ("image",)
    input_mean: tuple[float, ...]
    """Mean of each channel, of values in [0, 1], that the weights want: `data.scaling=weights`."""
    input_deviation: tuple[float, ...]
    """Deviation, likewise."""

    @classmethod
    def statistics_of(cls, **_: Any) -> tuple[Sequence[float], Sequence[float]]:
        """Return both for a network of some arguments."""
        return cls.input_mean, cls.input_deviation

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: PositiveInt,
        name: str = "resnet18",
        weights: str | None = None,
        freeze: str = "none",
        unfreeze_at: NonNegativeInt | None = None,
        body_lr: PositiveFloat = 1.0,
        layer_decay: PositiveFloat = 1.0,
        units: list[PositiveInt] = [],  # noqa: B006 - read only; a list, as in YAML
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        image_size: PositiveInt | None = None,
        views: NonNegativeInt = 0,
    ) -> None:
        body = self.make_body(name, weights, shared=freeze == "features" and unfreeze_at is None)
        is_pretrained = weights is not None
        super().__init__()
        if len(input_shape) != 3 or input_shape[0] not in (1, 3):
            raise ValueError(f"takes images of one or three channels, got samples of shape {tuple(input_shape)}")
        if unfreeze_at is not None and freeze == "none":
            raise ValueError("unfreeze_at is for what is frozen; add freeze=features")
        self.body: nn.Module | None = body
        self.image_size, self.views = image_size, views
        self.unfreeze_at = unfreeze_at
        self._body_lr, self._layer_decay = body_lr, layer_decay
        self._frozen = _modules_up_to(body, freeze)
        width = self._width(input_shape)
        self.head = _head(width, units, num_outputs, activation, dropout)
        self.is_frozen = False  # at present
        self.at_epoch(0)
        self._freeze, self.is_pretrained = freeze, is_pretrained
        self._body_can_be_had_again = is_pretrained and freeze == "features" and unfreeze_at is None
        if self._body_can_be_had_again:
            self.register_buffer("body_digest", digest_of(body))
            self.register_state_dict_post_hook(_leave_out_body)  # type: ignore[no-untyped-call]
            self.register_load_state_dict_pre_hook(_keep_body)  # type: ignore[no-untyped-call]

    @staticmethod
    @abstractmethod
    def make_body(name: str, weights: str | None, *, shared: bool) -> nn.Module:
        """Make the body, which maps images (B, 3, H, W) to features (B, …).

        Args:
            name: which.
            weights: their name or file; None draws them.
            shared: whether they are never changed, so that networks may share them.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Map images x: (B, C, H, W), or features (B, F) where the body was taken away, to (B, num_outputs)."""
        output: Tensor = self.head(x if self.body is None else self.features(x))
        return output

    def features(self, x: Tensor) -> Tensor:
        """Map images x: (B, C, H, W) to what the head is given, (B, F)."""
        assert self.body is not None
        return _features(self.body, self.image_size, x)

    def train(self, mode: bool = True) -> "TransferNetwork":
        """Set the form; what is frozen stays in evaluation form, so that its statistics stay, too."""
        super().train(mode)
        if self.is_frozen:
            for module in self._frozen:
                module.training = False
        return self

    def at_epoch(self, epoch: int) -> None:
        """Freeze or train what is frozen at first, as is due in an epoch, from 0."""
        self.is_frozen = bool(self._frozen) and (self.unfreeze_at is None or epoch < self.unfreeze_at)
        for module in self._frozen:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(not self.is_frozen)
        self.train(self.training)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return what is trained at some time, the head first; the same from the first epoch to the last."""
        groups: list[ParameterGroup] = [(1.0, list(self.head.parameters()))]
        if self.body is None:
            return groups
        never = (
            set()
            if self.unfreeze_at is not None
            else {id(parameter) for module in self._frozen for parameter in module.parameters(recurse=False)}
        )
        blocks: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.body.named_parameters():
            found = _BLOCK.match(name)
            blocks.setdefault(found[1] if found else name.partition(".")[0], []).append(parameter)
        for depth, parameters in enumerate(reversed(blocks.values())):
            if trained := [each for each in parameters if id(each) not in never]:
                scale = self._body_lr * (1.0 if self._layer_decay == 1 else self._layer_decay ** (depth + 1))
                if groups[1:] and groups[-1][0] == scale:
                    groups[-1][1].extend(trained)
                else:
                    groups.append((scale, trained))
        return groups

    @property
    def why_not_once(self) -> str | None:
        """Why what the body gives cannot be computed once for a whole run; None if it can."""
        if self.unfreeze_at is not None:
            return f"unfreeze_at={self.unfreeze_at} trains the body later"
        if not self.is_pretrained:
            return "the body is drawn at random"
        return None if self._body_can_be_had_again else f"freeze={self._freeze} trains some of the body"

    def take_body(self) -> "FrozenBody":
        """Take the body away: from now on the network is given features."""
        assert self.body is not None
        digest = bytes(self.body_digest.tolist())  # type: ignore[operator]
        body = FrozenBody(self.body.eval(), self.image_size, digest + f" {self.image_size}".encode())
        self.body, self._frozen, self.is_frozen = None, [], False
        return body

    def _width(self, input_shape: Sequence[int]) -> int:
        """Return the number of features, by trying two images."""
        assert self.body is not None
        mode = self.body.training
        self.body.eval()
        try:
            with torch.no_grad():
                return int(self.features(torch.zeros(2, *input_shape)).shape[1])
        except RuntimeError as error:
            sides = [self.image_size] * 2 if self.image_size else list(input_shape[1:])
            reason = " ".join(str(error).split())
            rule = f"images of {' x '.join(map(str, sides))} are too small for it ({reason})"
            advice = f"have them resized: model.image_size={max(_ENOUGH, 2 * min(sides))}"
            raise ValueError(f"{rule}; {advice}") from error
        finally:
            self.body.train(mode)


@dataclass(frozen=True)
class FrozenBody:
    """A body that is never trained.

    Args:
        network: maps images (B, 3, H, W) to features; in evaluation form.
        image_size: side in pixels that images are resized to; None leaves them.
        digest: of all that features depend on beside the images.
    """

    network: nn.Module
    image_size: int | None
    digest: bytes

    def on(self, device: torch.device) -> "FrozenBody":
        """Return the same on a device."""
        return replace(self, network=self.network.to(device))

    def __call__(self, x: Tensor) -> Tensor:
        """Map images x: (B, C, H, W) to features (B, F)."""
        return _features(self.network, self.image_size, x)


def _features(body: nn.Module, image_size: int | None, x: Tensor) -> Tensor:
    if x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1)
    if image_size is not None:
        size = (image_size, image_size)
        x = functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
    features: Tensor = body(x)
    return features.flatten(1)


def _head(
    width: int, units: Sequence[int], num_outputs: int, activation: Activation, dropout: float
) -> nn.Sequential:
    modules: list[nn.Module] = []
    for own in units:
        modules += [nn.Dropout(dropout) if dropout else nn.Identity(), nn.Linear(width, own)]
        modules.append(activation_module(activation))
        width = own
    modules += [nn.Dropout(dropout) if dropout else nn.Identity(), nn.Linear(width, num_outputs)]
    return nn.Sequential(*modules)


def _modules_up_to(body: nn.Module, freeze: str) -> list[nn.Module]:
    """Return the modules of a body that are frozen, in order."""
    if freeze == "none":
        return []
    named = [(name, module) for name, module in body.named_modules() if name]
    if freeze == "features":
        return [body, *(module for _, module in named)]
    last = max((i for i, (name, _) in enumerate(named) if f"{name}.".startswith(f"{freeze}.")), default=None)
    if last is None:
        known = ", ".join(name for name, _ in named if "." not in name)
        raise ValueError(f"freeze must be none, features or a module of the body ({known}, …), got {freeze}")
    before = {name for name, _ in named[: last + 1]}
    return [module for name, module in named[: last + 1] if not _goes_on(name, named, before)]


def _goes_on(name: str, named: list[tuple[str, nn.Module]], before: set[str]) -> bool:
    """Return True if a module holds others that are not frozen, so that it is not frozen itself."""
    return any(other.startswith(f"{name}.") and other not in before for other, _ in named)


def _leave_out_body(module: nn.Module, content: dict[str, Any], prefix: str, _: Any) -> None:
    for name in [name for name in content if name.startswith(f"{prefix}body.")]:
        del content[name]


def _keep_body(
    module: nn.Module,
    content: dict[str, Any],
    prefix: str,
    _: Any,
    __: bool,
    ___: Any,
    ____: Any,
    errors: list[str],
) -> None:
    """Let a checkpoint be loaded without the body, which must be the one that its head was trained on."""
    assert isinstance(module, TransferNetwork)
    saved, own = content.get(f"{prefix}body_digest"), module.body_digest
    if saved is not None and isinstance(own, Tensor) and not torch.equal(saved.cpu(), own.cpu()):
        errors.append("it was trained on another body: the file of model.weights holds other weights than then")
    if module.body is not None:
        for name, value in module.body.state_dict().items():
            content.setdefault(f"{prefix}body.{name}", value)
