"""Which keys a configuration does not have, and what may have been meant.

This module must not import torch or Lightning.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.composing import Composing
from lightune.config.schema import GROUPS, GUIDE, TRAINER_TAKEN
from lightune.config.static.signatures import TargetNotFoundError, UnreadableTargetError, describe
from lightune.config.suggestions import leaves_of, similar_keys, synonymous_keys

__all__ = ["exists", "meant_keys", "no_mapping", "options_with", "unknown_key"]


def exists(cfg: DictConfig, key: str) -> bool:
    """Return True if a configuration has a key, whatever its value."""
    parent, _, last = key.rpartition(".")
    if parent and not exists(cfg, parent):
        return False
    node: Any = _select(cfg, parent) if parent else cfg
    if isinstance(node, DictConfig):
        return last in list(node) or "[" in key  # which `in node` is not for what has no value yet
    if isinstance(node, ListConfig):
        return last.isdecimal() and int(last) < len(node)
    return node is not None


def _select(cfg: DictConfig, key: str) -> Any:
    """Return what stands at a key; None too where the key goes through a list by no number."""
    with suppress(ValueError, TypeError, OmegaConfBaseException):
        return OmegaConf.select(cfg, key, throw_on_resolution_failure=False)
    return None


def unknown_key(
    key: str,
    value: str,
    cfg: DictConfig,
    known: Callable[[str], dict[str, set[str]]],
    quote: Callable[[str], str] = str,
) -> str:
    """Say that a key does not exist, and what may have been meant.

    Args:
        key: dotted, without `+`.
        value: as it is typed.
        cfg: what was composed without it.
        known: returns the keys of each option of a group.
        quote: writes a word as whoever typed it has to type it.
    """
    parent, _, last = key.rpartition(".")
    node: Any = _select(cfg, parent) if parent else None
    if node is None and parent and exists(cfg, parent):
        return no_mapping(parent)
    if isinstance(node, ListConfig):
        return (
            f"is no place of a list: {parent} has {len(node)}, counted from 0; write the whole list, {parent}=[…]"
        )
    if parent == "trainer" and last in TRAINER_TAKEN:
        return f"cannot be set: {TRAINER_TAKEN[last]}"
    if isinstance(node, DictConfig) and (taker := _takes(node, last)):
        return f"is no key of the YAML, and {taker} takes it: write {quote(f'+{key}={value}')}"
    if having := [option for option, keys in known(parent).items() if last in keys]:
        has = "have" if having[1:] else "has"
        meant = _did_you_mean(
            [each for each in synonymous_keys(key, leaves_of(cfg)) if each.startswith(f"{parent}.")]
        )
        return f"is no key of the chosen {parent}; {parent}={' and '.join(having)} {has} it{meant}"
    if meant := meant_keys(key, cfg):
        return f"does not exist{meant}"
    while parent and not isinstance(node, DictConfig):
        parent = parent.rpartition(".")[0]
        node = _select(cfg, parent) if parent else cfg
    beside = node if isinstance(node, DictConfig) else cfg
    keys = [str(each) for each in beside if not str(each).startswith("_") and each != "hydra"]
    guide = f"; parts of your own: {GUIDE}" if parent in GROUPS else ""
    return f"does not exist ({parent or 'the root'} has {', '.join(keys)}){guide}"


def meant_keys(key: str, cfg: DictConfig) -> str:
    """Ask whether keys of a configuration were meant by one that it does not have; nothing if none is near."""
    of_hydra = key.startswith("hydra.")
    keys = (each for each in leaves_of(cfg) if not each.startswith("search.space."))
    return _did_you_mean(similar_keys(key, (each for each in keys if each.startswith("hydra") == of_hydra)))


def _did_you_mean(keys: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(map(repr, keys))}?" if keys else ""


def _takes(node: DictConfig, argument: str) -> str | None:
    """Return the name of what a node is built with, if that takes an argument by this name."""
    target = node.get("_target_")
    with suppress(TargetNotFoundError, UnreadableTargetError):
        described = describe(target) if isinstance(target, str) else None
        if described is not None and argument in described.parameters:
            return described.name
    return None


def options_with(files: Composing, group: str) -> dict[str, set[str]]:
    """Return the keys of each option of a group, as its file has them.

    Files that choose options of other groups, too, can only be read as part of the whole configuration.
    """
    keys: dict[str, set[str]] = {}
    with suppress(HydraException, OmegaConfBaseException):
        if group not in files.compose_whole([]).hydra.runtime.choices:
            return {}  # as in a whole configuration of one's own, which has nothing to choose
    for option in files.options(group):
        with suppress(HydraException, OmegaConfBaseException, OSError):
            try:
                found = files.loader.load_configuration(f"{group}/{option}", overrides=[], run_mode=RunMode.RUN)
            except HydraException:
                found = files.compose([f"{group}={option}"])
            keys[option] = set(leaves_of(OmegaConf.select(found, group)))
    return keys


def no_mapping(owner: str) -> str:
    """Return why a key cannot be set in something that a configuration has switched off."""
    return f"has no effect, as {owner} is null here; choose an option of {owner.partition('.')[0]} that has it"
