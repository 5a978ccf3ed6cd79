"""Where two configurations differ, key by key; they are read as text, and nothing that they name is looked up.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra.errors import HydraException
from omegaconf import OmegaConf

from lightune.config.compose import compose
from lightune.config.static.annotations import show
from lightune.errors import LightuneError

__all__ = ["Difference", "default_configuration", "differences", "read_configuration"]

Difference = tuple[str, str, str]
"""A key, its value here, and its value there; empty where it does not exist."""

_ELSEWHERE = ("hydra", "defaults", "search", "output_root", "name", "note", "tags", "resume", "from")
"""Keys that say how, where and why something ran, and not what."""


def read_configuration(file: Path) -> dict[str, str] | None:
    """Read a configuration as key → value, each as it is written; None if the file is not there or damaged."""
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return dict(_leaves("", content)) if isinstance(content, dict) else None


def default_configuration(overrides: Sequence[str] = (), config_dir: str | None = None) -> dict[str, str] | None:
    """Return what trains by some words, as `read_configuration` returns it; None if it cannot be composed.

    Args:
        overrides: as on the command line.
        config_dir: a folder of options of one's own.
    """
    try:
        content = OmegaConf.to_container(compose(overrides, config_dir=config_dir), resolve=False)
    except (LightuneError, HydraException, OSError, ValueError):
        return None
    return dict(_leaves("", content))


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[Difference]:
    """Return the keys in which two configurations differ, in the order of the second."""
    keys = [*other, *(key for key in one if key not in other)]
    return [(key, one.get(key, ""), other.get(key, "")) for key in keys if one.get(key) != other.get(key)]


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            if key or str(name) not in _ELSEWHERE:
                yield from _leaves(f"{key}.{name}" if key else str(name), inner)
    else:
        yield key, show(value)
