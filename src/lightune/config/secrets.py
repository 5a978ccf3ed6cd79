"""Values from the environment: used where they are needed, never written down.

`${oc.env:NAME}` may stand anywhere in a configuration. What is saved holds the expression, not the value.
This module must not import torch or Lightning.
"""

import os
import re
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, OmegaConf

__all__ = ["environment_names", "redact", "saveable"]

_REFERENCE = re.compile(r"oc\.env\s*:\s*'?\"?([A-Za-z_][A-Za-z0-9_]*)")
_SHORTEST = 4  # shorter values stand in ordinary text by chance


def environment_names(text: str) -> set[str]:
    """Return the environment variables that a text asks for."""
    return set(_REFERENCE.findall(text))


def secret_values(cfg: Container) -> dict[str, str]:
    """Return value → name of every environment variable that a configuration asks for, longest value first."""
    names = environment_names(OmegaConf.to_yaml(cfg))
    values = {os.environ[name]: name for name in sorted(names) if os.environ.get(name)}
    return dict(sorted(values.items(), key=lambda item: -len(item[0])))


def redact(text: str, secrets: dict[str, str]) -> str:
    """Put `${oc.env:NAME}` where a value of an environment variable stands in a text."""
    for value, name in secrets.items():
        if len(value) >= _SHORTEST:
            text = text.replace(value, f"${{oc.env:{name}}}")
    return text


def saveable(cfg: Container) -> Any:
    """Return a configuration as plain values, resolved except where a value comes from the environment.

    Raises:
        OmegaConfBaseException: if an interpolation cannot be resolved.
    """
    return _plain(cfg, secret_values(cfg))


def _plain(node: Container, secrets: dict[str, str]) -> Any:
    if isinstance(node, DictConfig):
        return {str(key): _leaf(node, key, secrets) for key in node}
    assert isinstance(node, ListConfig)
    return [_leaf(node, index, secrets) for index in range(len(node))]


def _leaf(parent: Container, key: Any, secrets: dict[str, str]) -> Any:
    if OmegaConf.is_missing(parent, key):
        return "???"
    value = parent[key]
    if isinstance(value, Container):
        return _plain(value, secrets)
    if OmegaConf.is_interpolation(parent, key) and any(secret in str(value) for secret in secrets):
        raw = parent._get_node(key)
        return str(raw._value())  # type: ignore[union-attr]
    return value
