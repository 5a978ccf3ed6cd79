"""Activation functions by the names that a configuration uses."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "sigmoid", "tanh", "gelu", "silu", "leaky_relu"]

_MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


def activation_module(name: Activation) -> nn.Module:
    """Return a new module for an activation's name.

    Raises:
        ValueError: if there is no such activation.
    """
    if name not in _MODULES:
        raise ValueError(f"activation must be one of {', '.join(_MODULES)}, got {name}")
    return _MODULES[name]()
