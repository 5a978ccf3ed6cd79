"""Values from the environment: used where they are needed, never written down.

`${oc.env:NAME}` may stand anywhere in a configuration. What is saved holds the expression, not the value.
This module must not import torch or Lightning.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from lightune.private_api.omegaconf import leaf_values, text_of

__all__ = ["names_behind", "redact", "redact_all", "saveable", "secret_values"]

_REFERENCE = re.compile(r"oc\.env\s*:\s*'?\"?([A-Za-z_][A-Za-z0-9_]*)")
_SHORTEST = 4  # shorter values stand in ordinary text by chance
_lock = threading.RLock()


def names_behind(cfg: DictConfig, key: str) -> set[str]:
    """Return the environment variables that the value at a dotted key is made of, through other values too."""
    if _calls_nothing(cfg):
        return set()
    with _watching() as read, suppress(OmegaConfBaseException, ValueError):
        OmegaConf.select(cfg, key)
    return set(read)


def secret_values(cfg: Container) -> dict[str, str]:
    """Return value → name of every environment variable that a configuration asks for, longest value first."""
    if _calls_nothing(cfg):
        return {}
    with _watching() as read:
        _resolve_all(cfg)
    names = {*read, *_REFERENCE.findall(OmegaConf.to_yaml(cfg))}
    values = {os.environ[name]: name for name in sorted(names) if os.environ.get(name)}
    return dict(sorted(values.items(), key=lambda item: -len(item[0])))


def redact(text: str, secrets: dict[str, str]) -> str:
    """Put `${oc.env:NAME}` where a value of an environment variable stands in a text.

    A value is also found as `repr` writes it, and with its white space run together.
    """
    for value, name in secrets.items():
        for form in dict.fromkeys((value, repr(value)[1:-1], " ".join(value.split()))):
            if len(form) >= _SHORTEST:
                text = text.replace(form, f"${{oc.env:{name}}}")
    return text


def redact_all(value: Any, secrets: dict[str, str]) -> Any:
    """Redact every text in plain values: in lists and dicts, however deep."""
    if isinstance(value, dict):
        return {key: redact_all(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_all(item, secrets) for item in value]
    return redact(value, secrets) if isinstance(value, str) else value


def saveable(cfg: Container) -> Any:
    """Return a configuration as plain values, resolved except where a value comes from the environment.

    Raises:
        OmegaConfBaseException: if an interpolation cannot be resolved.
    """
    with _watching() as read:
        return _plain(cfg, read)


def _calls_nothing(cfg: Container) -> bool:
    """Tell from the text of a configuration that no resolver makes a value of it: nothing need be resolved."""
    return not any(
        isinstance(text, str) and ":" in text and ("${" in text or "oc.env" in text) for text in leaf_values(cfg)
    )


def _plain(node: Container, read: list[str]) -> Any:
    if isinstance(node, DictConfig):
        return {str(key): _leaf(node, key, read) for key in node}
    assert isinstance(node, ListConfig)
    return [_leaf(node, index, read) for index in range(len(node))]


def _leaf(parent: Container, key: Any, read: list[str]) -> Any:
    if OmegaConf.is_missing(parent, key):
        return "???"
    before = len(read)
    value = parent[key]
    if len(read) > before:
        return str(text_of(parent, key))
    return _plain(value, read) if isinstance(value, Container) else value


def _resolve_all(node: Any) -> None:
    """Resolve whatever can be resolved, for what it reads."""
    keys: Any = range(len(node)) if isinstance(node, ListConfig) else list(node)
    for key in keys:
        with suppress(OmegaConfBaseException, ValueError):
            value = node[key]
            if isinstance(value, Container) and not OmegaConf.is_interpolation(node, key):
                _resolve_all(value)


@contextmanager
def _watching() -> Iterator[list[str]]:
    """Collect the names of the environment variables that are read by `oc.env` meanwhile."""
    read: list[str] = []

    def env(key: str, *default: Any) -> str | None:
        read.append(key)
        return oc.env(key, *default)

    with _lock:
        OmegaConf.register_resolver("oc.env", env, replace=True, annotation_validation="off")
        try:
            yield read
        finally:
            OmegaConf.register_resolver("oc.env", oc.env, replace=True, annotation_validation="off")
