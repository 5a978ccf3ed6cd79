"""Which swept keys and options do not exist, and beside which choices of a group.

This module must not import Optuna, torch or Lightning.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from lightune.config.override_text import value_of_text, values_of
from lightune.config.static.annotations import did_you_mean
from lightune.config.static.signatures import TargetNotFoundError, UnreadableTargetError, describe
from lightune.config.unknown_keys import meant_keys, no_mapping
from lightune.errors import Problem
from lightune.study.space.assignments import mappings_of
from lightune.study.space.dimensions import Choice, Dimension, typed_key
from lightune.study.space.space import Point, Space

__all__ = ["existing_keys", "existing_options", "is_group"]

_PLAIN_KEY = re.compile(r"\w[\w-]*(\.\w[\w-]*)*")
_MOST_NAMED = 8


def existing_options(
    space: Space, loader: ConfigLoader, where: Callable[[Dimension], str]
) -> tuple[Space, list[Problem]]:
    """Look for the options of the groups that are swept.

    Args:
        space: of a study.
        loader: knows the groups and their options.
        where: says under which key a dimension was written.

    Returns:
        The space with those options alone that exist, and a problem for each group with others.
    """
    problems: list[Problem] = []
    entries: list[str | Dimension] = []
    for entry in space.entries:
        if isinstance(entry, str) or not is_group(typed_key(entry), loader):
            entries.append(entry)
            continue
        group = _group(entry.key)
        known = loader.get_group_options(group)
        if not isinstance(entry, Choice):
            problems.append(Problem(where(entry), _no_option(group, list(entry.edges()), known)))
            continue
        values = {text: value_of_text(text) for text in entry.texts}
        missing = [text for text, value in values.items() if not _is_option(group, value, known, loader)]
        if missing:
            named = ["null" if values[text] is None else str(values[text]) for text in missing]
            problems.append(Problem(where(entry), _no_option(group, named, known)))
        if kept := tuple(text for text in entry.texts if text not in missing):
            entries.append(replace(entry, texts=kept))
    return replace(space, entries=tuple(entries)), problems


@dataclass(frozen=True)
class _Seen:
    """A configuration in which a key was looked for, and the swept options that it has."""

    options: dict[str, str]
    config: DictConfig
    has_it: bool


def existing_keys(
    space: Space,
    points: Iterable[Point],
    loader: ConfigLoader,
    compose: Callable[[list[str]], DictConfig],
    where: Callable[[Dimension], str],
) -> tuple[Space, list[Problem]]:
    """Look for the swept keys in the configurations that the chosen options give.

    Args:
        space: of a study.
        points: at which to look.
        loader: knows the groups.
        compose: makes a configuration of a trial's overrides.
        where: says under which key a dimension was written.

    Returns:
        The space without the keys that are missing somewhere, and a problem for each of them.
    """
    groups = {dimension.key for dimension in space.dimensions if is_group(typed_key(dimension), loader)}
    plain = [dimension for dimension in space.dimensions if _PLAIN_KEY.fullmatch(typed_key(dimension))]
    keys = [dimension for dimension in plain if dimension.key not in groups or mappings_of(dimension)]
    composed: dict[tuple[str, ...], DictConfig] = {}
    seen: dict[str, dict[str, list[_Seen]]] = {dimension.key: {} for dimension in keys}  # its keys → where
    for point in points if keys else ():
        chosen = {key: text for key, text in point.items() if key in groups and not text.startswith("{")}
        lines = tuple(space.overrides(chosen))
        if lines not in composed:
            composed[lines] = compose(list(lines))
        config = composed[lines]
        for dimension in keys:
            if dimension.key in config.hydra.get("aliases", ()):
                continue
            keys_set = list(_keys_set(point.get(dimension.key), dimension.key, groups))
            for key in keys_set:
                there = _has(config, key) or _is_filled(config, key, keys_set)
                seen[dimension.key].setdefault(key, []).append(_Seen(_options(chosen), config, there))
    problems, missing = [], set()
    for dimension in keys:
        for key, looks in seen[dimension.key].items():
            if rule := _no_key(key, looks):
                missing.add(dimension.key)
                problems.append(Problem(f"{where(dimension)}{key.removeprefix(typed_key(dimension))}", rule))
    entries = tuple(entry for entry in space.entries if isinstance(entry, str) or entry.key not in missing)
    return replace(space, entries=entries), problems


def _keys_set(text: str | None, key: str, groups: Collection[str]) -> Iterable[str]:
    """Return the keys that a point's text sets, of a mapping those in it; none of what chooses an option."""
    if text is None:
        return ()
    return values_of(key, text) if text.startswith("{") else () if key in groups else (key,)


def _options(chosen: Point) -> dict[str, str]:
    return {key.lstrip("+"): str(value_of_text(text)) for key, text in chosen.items()}


def is_group(key: str, loader: ConfigLoader) -> bool:
    """Return True if a key chooses options of a group."""
    return "/" in key or bool(loader.get_group_options(_group(key)))


def _group(key: str) -> str:
    return key.lstrip("+").partition("{")[0].partition("@")[0]


def _is_option(group: str, value: Any, known: list[str], loader: ConfigLoader) -> bool:
    if isinstance(value, dict):
        return True  # it sets keys of the chosen option
    values = value if isinstance(value, list) else [value]
    exists: Callable[[str], bool] = getattr(loader, "repository").config_exists  # noqa: B009 - not in the interface
    return all(str(v) in known or exists(f"{group}/{v}") for v in values)


def _no_option(group: str, missing: list[str], known: list[str]) -> str:
    rule = f"{group} has no option {' and no option '.join(missing)}"
    hints = dict.fromkeys(hint for text in missing if (hint := did_you_mean(text, known)))
    return f"{rule}{';' + ','.join(hints) if hints else ''} (there are {', '.join(known)})"


def _no_key(key: str, seen: list[_Seen]) -> str:
    """Return where a key is missing; nothing if nowhere, or only beside several choices taken together."""
    lacking = [one for one in seen if not one.has_it]
    if not lacking:
        return ""
    if len(lacking) == len(seen):
        return _nowhere(key, seen)
    for group in dict.fromkeys(group for one in lacking for group in one.options):
        options = dict.fromkeys(one.options[group] for one in seen if group in one.options)
        without = [o for o in options if not any(x.has_it for x in seen if x.options.get(group) == o)]
        having = [o for o in options if o not in without]
        if without and having:
            near = _near(key, [one for one in lacking if one.options.get(group) in without])
            accepted = having[0] if len(having) == 1 else f"[{', '.join(having)}]"
            where = f"{key}: {{space: …, when: {{{group}: {accepted}}}}}"
            return f"{_has_not(group, without)}{near}; say where it is searched, in search.space: {where}"
    return ""


def _has_not(group: str, options: list[str]) -> str:
    named = " and ".join(f"{group}={option}" for option in options)
    return f"{named} {'has' if len(options) == 1 else 'have'} no such key"


def _nowhere(key: str, seen: list[_Seen]) -> str:
    owner, rest = _owner(seen[0].config, key)
    if _select(seen[0].config, owner) is None:
        return no_mapping(owner)
    choices = seen[0].config.hydra.runtime.choices
    group = owner.partition(".")[0]
    if not owner:
        rule = "there is no such key"
    elif group in seen[0].options:
        rule = _has_not(group, list(dict.fromkeys(one.options[group] for one in seen)))
    elif choices.get(group) is not None:
        rule = _has_not(group, [choices[group]])
    else:
        rule = f"{owner} has no such key"
    if all(_takes(_select(one.config, owner), rest) for one in seen):
        return f"{rule}, but its target takes one; to add it, write +{key}"
    node = _select(seen[0].config, owner)
    names = [str(name) for name in node if not str(name).startswith("_") and name != "hydra"]
    listed = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
    return f"{rule}{_near(key, seen)} (there {'is' if len(names) == 1 else 'are'} {listed or 'none'})"


def _near(key: str, seen: list[_Seen]) -> str:
    """Name the nearest keys of the first configuration that has such."""
    return next((meant for one in seen if (meant := meant_keys(key, one.config))), "")


def _has(config: DictConfig, key: str) -> bool:
    owner, rest = _owner(config, key)
    node = _select(config, owner)
    return not rest or (node is not None and not OmegaConf.is_struct(node))


def _is_filled(config: DictConfig, key: str, keys: Iterable[str]) -> bool:
    """Return True if a key is part of a mapping that puts parts, which have a `_target_`, where null stands."""
    owner, rest = _owner(config, key)
    parts = (each for each in keys if each.startswith(f"{owner}.") and each.endswith("._target_"))
    return bool(rest) and _select(config, owner) is None and any(parts)


def _owner(config: DictConfig, key: str) -> tuple[str, str]:
    """Return the part of a key that is there, and the rest; no rest for what is no mapping, which Hydra judges."""
    parts = key.split(".")
    for depth, part in enumerate(parts):
        node = _select(config, ".".join(parts[:depth]))
        if node is None:
            return ".".join(parts[:depth]), ".".join(parts[depth:])
        if not isinstance(node, DictConfig):
            return ".".join(parts[:depth]), ""
        if part not in node.keys():  # noqa: SIM118 - which `in` is not: what has no value yet counts
            return ".".join(parts[:depth]), ".".join(parts[depth:])
    return key, ""


def _select(config: DictConfig, key: str) -> Any:
    return OmegaConf.select(config, key) if key else config


def _takes(node: Any, key: str) -> bool:
    """Return True if what a mapping builds takes an argument."""
    target = node.get("_target_") if isinstance(node, DictConfig) else None
    try:
        return isinstance(target, str) and key in describe(target).parameters
    except (TargetNotFoundError, UnreadableTargetError):
        return False
