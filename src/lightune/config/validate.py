"""Find everything that is wrong with a composed configuration, before anything is imported or written.

This module must not import torch or Lightning: it reads signatures from source text.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config import consistency as fit_together
from lightune.config import schema
from lightune.config.static.annotations import did_you_mean, mismatch, show
from lightune.config.static.signatures import (
    Parameter,
    Target,
    TargetNotFoundError,
    UnreadableTargetError,
    describe,
)
from lightune.config.trust import ENVIRONMENT_VARIABLE, is_trusted
from lightune.errors import ConfigError, Problem
from lightune.paths import is_inside, is_plain_name
from lightune.private_api.omegaconf import root_of, text_of
from lightune.secrets import names_behind

__all__ = ["find_problems", "search_problems", "validate"]

log = logging.getLogger(__name__)

BROKEN = object()
"""Stands where a value could not be had; its problem is reported once and later checks pass over it."""

_DIRECTIVES = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
_PLAIN_INTERPOLATION = re.compile(r"\$\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}")
_COLLECTIONS = {"callbacks", "logger"}  # groups of several parts by name
_NO_TARGET = "is missing; name the class or function to build"
_PARTLY_TRUSTED = {"hydra", "lightune", "omegaconf", "optuna", "pytorch_lightning", "torch", "torchvision"}
_FOLDER_ARGUMENTS = {"dirpath", "save_dir", "default_root_dir", "log_dir", "root_dir", "dir"}
_NAME_ARGUMENTS = {"filename", "name", "version", "sub_dir"}


def validate(cfg: DictConfig) -> None:
    """Refuse a configuration that cannot run.

    Args:
        cfg: as composed, without Hydra's own node.

    Raises:
        ConfigError: with all problems at once.
    """
    problems = find_problems(cfg)
    if problems:
        raise ConfigError(problems)


def find_problems(cfg: DictConfig, *, describe: Callable[[str], Target] = describe) -> list[Problem]:
    """Return every problem of a configuration, in the order of its keys; none if it can run.

    Args:
        cfg: as composed, without Hydra's own node.
        describe: reads a target; one that remembers saves time where many configurations are judged.
    """
    problems: list[Problem] = []
    tree = _plain(cfg, "", problems)
    problems += _root_problems(tree)
    for name in sorted(names_behind(cfg, "name")):
        rule = f"must not hold a value from the environment ({name}): it names a folder"
        problems.append(Problem("name", f"{rule}; say it in output_root instead"))
    targets: dict[str, Target] = {}
    for group in schema.GROUPS:
        node = tree.get(group)
        if isinstance(node, dict):
            problems += _Walk(group, describe, str(tree.get("output_root")), targets).node(group, node)
    problems += fit_together.find_problems(tree, targets)
    return list(dict.fromkeys(problems))


def _plain(node: Container, path: str, problems: list[Problem]) -> Any:
    """Resolve a tree leaf by leaf; what cannot be resolved becomes a problem and BROKEN."""
    keys: Any = list(node) if isinstance(node, DictConfig) else range(len(cast(ListConfig, node)))
    values = [_plain_leaf(node, key, f"{path}.{key}".lstrip("."), problems) for key in keys]
    return values if isinstance(node, ListConfig) else dict(zip(map(str, keys), values, strict=True))


def _plain_leaf(parent: Container, key: Any, path: str, problems: list[Problem]) -> Any:
    if OmegaConf.is_missing(parent, key):
        problems.append(Problem(path, "is mandatory and has no value; set it"))
        return BROKEN
    try:
        value = _value(parent, key)
    except (OmegaConfBaseException, ValueError) as error:
        problems.append(Problem(path, f"cannot be resolved: {str(error).splitlines()[0]}"))
        return BROKEN
    return _plain(value, path, problems) if isinstance(value, Container) else value


def _value(parent: Container, key: Any) -> Any:
    """Return a value; `${a.b}` is looked up without OmegaConf's grammar, which takes most of the time."""
    written = str(text_of(parent, key)) if OmegaConf.is_interpolation(parent, key) else ""
    plain = _PLAIN_INTERPOLATION.fullmatch(written)
    found = OmegaConf.select(root_of(parent), plain[1]) if plain else None
    return parent[key] if found is None else found


def _root_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    for key, annotation in schema.ROOT.items():
        yield from _root_value_problems(key, tree.get(key), annotation)
    name, root = tree.get("name"), tree.get("output_root")
    if isinstance(name, str) and not is_plain_name(name):
        rule = "must be one plain folder name (letters, digits, ._+=-)"
        yield Problem("name", f"{rule}, got {show(name)}; output_root says where runs go")
    if root == "":
        yield Problem("output_root", "must be a folder, got ''")
    monitor = tree.get("monitor")
    if not isinstance(monitor, dict):
        yield Problem("monitor", f"must be a mapping with metric and mode, got {show(monitor)}")
    else:
        for key, annotation in schema.MONITOR.items():
            yield from _root_value_problems(f"monitor.{key}", monitor.get(key), annotation)
        for key in monitor.keys() - schema.MONITOR.keys():
            yield Problem(f"monitor.{key}", "is no key of monitor; it has metric and mode")
    search = tree.get("search", {})
    if isinstance(search, dict):
        yield from search_problems(search)
    elif search is not BROKEN:
        yield Problem("search", f"must be a mapping, got {show(search)}; choose an option of the group")
    known = [*schema.ROOT, "monitor", *schema.GROUPS, "search"]
    for key in tree:
        if key not in known:
            hint = did_you_mean(key, known)
            yield Problem(key, f"is no root key{';' + hint if hint else ''} (there are {', '.join(known)})")
    for group in schema.GROUPS:
        if not isinstance(tree.get(group), dict) and tree.get(group) is not BROKEN:
            yield Problem(group, f"must be a mapping, got {show(tree.get(group))}; choose an option of the group")


def search_problems(search: Mapping[str, Any], path: str = "search") -> Iterator[Problem]:
    """Check the keys of `search`, as far as one value can be wrong by itself.

    Args:
        search: key → value; keys may be missing.
        path: where it stands, for messages.
    """
    known = [*schema.SEARCH, *schema.SEARCH_NODES]
    for key, value in search.items():
        if key in schema.SEARCH:
            yield from _value_problems(f"{path}.{key}", value, schema.SEARCH[key])
        elif key not in known:
            hint = did_you_mean(key, known)
            yield Problem(f"{path}.{key}", f"is no key of search;{hint} (it has {', '.join(known)})")
    name = search.get("study")
    if isinstance(name, str) and not is_plain_name(name):
        rule = "must be one plain folder name (letters, digits, ._+=-)"
        yield Problem(f"{path}.study", f"{rule}, got {show(name)}")


def _root_value_problems(path: str, value: Any, annotation: Any) -> Iterator[Problem]:
    if annotation is str and isinstance(value, int | float):
        yield Problem(path, f"must be text, got {show(value)}; write '{path}=\"{show(value)}\"'")
    else:
        yield from _value_problems(path, value, annotation, building=False)


def _value_problems(path: str, value: Any, annotation: Any, *, building: bool = True) -> Iterator[Problem]:
    if not _is_whole(value, building):
        return
    rule = mismatch(value, annotation)
    if rule:
        rule, _, hint = rule.partition(";")
        yield Problem(path, f"{rule}, got {show(value)}{';' + hint if hint else ''}")


def _is_whole(value: Any, building: bool) -> bool:
    """Tell whether a value can be judged: nothing broken in it and, where objects are built, no node of one."""
    if isinstance(value, dict):
        if building and "_target_" in value:
            return False
        value = list(value.values())
    if isinstance(value, list):
        return all(_is_whole(item, building) for item in value)
    return value is not BROKEN


@dataclass
class _Walk:
    """One pass through a group, which collects the targets that it could read.

    Args:
        group: the group's name, which says what `build` supplies.
        describe: reads a target.
        output_root: below which everything is written.
        targets: filled with path → target.
    """

    group: str
    describe: Callable[[str], Target]
    output_root: str
    targets: dict[str, Target] = field(default_factory=dict)

    def node(self, path: str, node: dict[str, Any]) -> Iterator[Problem]:
        """Check a mapping and all below it."""
        if "_execution_whitelist_" in node:
            yield Problem(
                f"{path}._execution_whitelist_",
                f"cannot be given in a configuration; trust is extended with {ENVIRONMENT_VARIABLE} or in Python",
            )
            return
        if "_target_" in node:
            yield from self._target(path, node)
        elif path == self.group and path in _COLLECTIONS:
            yield from self._members(node)
        elif path == self.group:
            yield Problem(f"{path}._target_", _NO_TARGET)
        for key, value in node.items():
            yield from self._child(f"{path}.{key}", value)

    def _members(self, node: dict[str, Any]) -> Iterator[Problem]:
        for key, member in node.items():
            path = f"{self.group}.{key}"
            if isinstance(member, dict):
                if not {"_target_", "_execution_whitelist_"} & member.keys():
                    yield Problem(f"{path}._target_", _NO_TARGET)
            elif member is not BROKEN:
                yield Problem(path, f"must be a mapping with _target_, got {show(member)}; remove it with ~{path}")

    def _child(self, path: str, value: Any) -> Iterator[Problem]:
        if isinstance(value, dict):
            yield from self.node(path, value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._child(f"{path}.{index}", item)

    def _target(self, path: str, node: dict[str, Any]) -> Iterator[Problem]:
        name = node["_target_"]
        key = f"{path}._target_"
        if name is BROKEN:
            return
        if not isinstance(name, str) or not name:
            yield Problem(key, f"must be the dotted path of a class or function, got {show(name)}")
            return
        if not is_trusted(name):
            yield Problem(key, _untrusted(name))
            return
        try:
            target = self.describe(name)
        except TargetNotFoundError as error:
            yield Problem(key, f"cannot be imported: {error}, got {name}")
            return
        except UnreadableTargetError as error:
            if not is_trusted(error.path or name):
                yield Problem(key, _untrusted(error.path))
            log.debug("%s is judged when it is imported: %s", key, error)
            return
        if not is_trusted(target.path):
            yield Problem(key, _untrusted(target.path))
            return
        self.targets[path] = target
        yield from self._arguments(path, node, target)

    def _arguments(self, path: str, node: dict[str, Any], target: Target) -> Iterator[Problem]:
        for key, value in node.items():
            if key in _DIRECTIVES:
                continue
            if key.startswith("_") and key.endswith("_"):
                yield Problem(f"{path}.{key}", f"is no directive; there are {', '.join(sorted(_DIRECTIVES))}")
            elif self.group == "trainer" and key in schema.TRAINER_TAKEN:
                yield Problem(f"{path}.{key}", f"cannot be set: {schema.TRAINER_TAKEN[key]}")
            elif self.group == "trainer" and key in schema.TRAINER_OURS:
                yield from _value_problems(f"{path}.{key}", value, schema.TRAINER_OURS[key])
            elif (parameter := target.parameters.get(key)) is not None and parameter.keyword:
                annotation = schema.foreign_annotation(target.path, key) or parameter.annotation
                yield from _value_problems(f"{path}.{key}", value, annotation)
                yield from self._path_problems(f"{path}.{key}", key, value)
            elif not target.open_ended:
                yield Problem(f"{path}.{key}", _unknown(key, target, self._supplied(path)))
        if not node.get("_args_"):
            yield from self._missing(path, node, target)

    def _path_problems(self, path: str, key: str, value: Any) -> Iterator[Problem]:
        if self.group not in _COLLECTIONS or not isinstance(value, str):
            return
        if key in _FOLDER_ARGUMENTS and value and not is_inside(value, self.output_root):
            rule = f"must lie below output_root ({self.output_root})"
            yield Problem(path, f"{rule}, got {show(value)}; without it, the run's folder is taken")
        if key in _NAME_ARGUMENTS and (value.startswith(("/", "~")) or ".." in value):
            yield Problem(path, f"must stay inside the run's folder, got {show(value)}")

    def _missing(self, path: str, node: dict[str, Any], target: Target) -> Iterator[Problem]:
        supplied = self._supplied(path)
        for parameter in _first_given(target, node):
            if parameter.required and parameter.name not in node and parameter.name not in supplied:
                yield Problem(
                    f"{path}.{parameter.name}", f"is mandatory for {target.name} and has no value; set it"
                )

    def _supplied(self, path: str) -> tuple[str, ...]:
        direct = path == self.group or self.group == "logger"
        return schema.SUPPLIED.get(self.group, ()) if direct else ()


def _first_given(target: Target, node: dict[str, Any]) -> list[Parameter]:
    """Return the parameters a call must fill; a partial's first one is filled later, by whoever calls it."""
    parameters = list(target.parameters.values())
    return parameters[1:] if node.get("_partial_") is True else parameters


def _unknown(key: str, target: Target, supplied: tuple[str, ...]) -> str:
    names = [name for name, parameter in target.parameters.items() if parameter.keyword and name not in supplied]
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    hint = did_you_mean(key, names)
    return f"{target.name} takes no such argument{';' + hint if hint else ''} (it takes {listed or 'none'})"


def _untrusted(path: str) -> str:
    package = path.partition(".")[0]
    if package in sys.stdlib_module_names or package in _PARTLY_TRUSTED:
        return f"is not trusted, got {path}; choose an option of the group, or a class in a package of your own"
    return f"is not trusted, got {path}; if it is code of yours, start with {ENVIRONMENT_VARIABLE}={package}"
