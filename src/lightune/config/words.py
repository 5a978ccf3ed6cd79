"""The words that a configuration is composed of: those that `compose` was given, and one for each change since.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from lightune.config.composing import composing
from lightune.config.override_text import value_text
from lightune.errors import ConfigError, Problem
from lightune.private_api.omegaconf import keep, kept

__all__ = ["Words", "keep_words", "words_of"]

_NAME = "lightune_words"
_ABSENT = object()


@dataclass(frozen=True)
class Words:
    """What a configuration is composed of.

    Args:
        overrides: as on the command line.
        config_dir: a folder with options of one's own, as `--config-dir` takes it.
    """

    overrides: tuple[str, ...]
    config_dir: str | Path | None = None


def keep_words(cfg: DictConfig, words: Words) -> None:
    """Keep with a configuration, and so with its copies, what it was composed of."""
    keep(cfg, _NAME, words)


def words_of(cfg: DictConfig) -> Words:
    """Return the words of which a configuration can be composed, as it is now.

    Args:
        cfg: as `compose` returned it; it may have been changed since.

    Raises:
        ConfigError: if it is none of `compose`, or was changed in a way that no words say.
    """
    began = kept(cfg, _NAME)
    if not isinstance(began, Words):
        rule = "must be a configuration that compose returned, which knows its words"
        raise ConfigError([Problem("cfg", f"{rule}; compose([...]) makes one, and values may be changed in it")])
    now = OmegaConf.to_container(cfg, resolve=False)
    with composing(began.config_dir) as files:
        changes = list(_changes("", _plain(files.compose(began.overrides)), now))
        words = Words((*began.overrides, *changes), began.config_dir)
        try:
            left = [*_changes("", _plain(files.compose(words.overrides)), now)] if changes else []
        except (HydraException, ValueError):
            left = changes
    if left:
        keys = ", ".join(dict.fromkeys(line.lstrip("+~").partition("=")[0] for line in left))
        rule = f"was changed after compose in a way that no word of a command says ({keys})"
        raise ConfigError([Problem("cfg", f"{rule}; give compose the words that make it so")])
    return words


def _plain(cfg: DictConfig) -> Any:
    return OmegaConf.to_container(cfg, resolve=False)


def _changes(key: str, before: Any, now: Any) -> Iterator[str]:
    """Yield the words that make one plain configuration of another."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in [*before, *(name for name in now if name not in before)]:
            inner = f"{key}.{name}" if key else str(name)
            yield from _changes(inner, before.get(name, _ABSENT), now.get(name, _ABSENT))
    elif now is _ABSENT:
        yield f"~{key}"
    elif before is _ABSENT:
        yield f"+{key}={value_text(now)}"
    elif type(before) is not type(now) or before != now:
        yield f"{key}={value_text(now)}"
