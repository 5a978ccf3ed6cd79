"""Check every `_target_` of a group: that it is trusted, that it exists, and that it takes what it is given.

This module must not import torch or Lightning: it reads signatures from source text.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.config import schema
from lightune.config.static.annotations import did_you_mean, show
from lightune.config.static.signatures import Parameter, Target, TargetNotFoundError, UnreadableTargetError
from lightune.config.trust import ENVIRONMENT_VARIABLE, is_trusted, whitelist
from lightune.config.values import BROKEN, value_problems
from lightune.errors import Problem
from lightune.paths import expanded, is_inside

__all__ = ["TargetCheck", "names_folders"]

log = logging.getLogger(__name__)

_DIRECTIVES = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
_COLLECTIONS = {"callbacks", "logger"}  # groups of several parts by name
_BOUND = {"optimizer": "params", "scheduler": "optimizer"}  # what is not there yet when the node is read
_NO_TARGET = "is missing; name the class or function to build"
_PARTLY_TRUSTED = {
    "hydra",
    "lightune",
    "omegaconf",
    "optuna",
    "pytorch_lightning",
    "torch",
    "torchmetrics",
    "torchvision",
}
_FOLDER_ARGUMENTS = {"dirpath", "save_dir", "default_root_dir", "log_dir", "root_dir", "dir", "offline_directory"}
_NAME_ARGUMENTS = {"filename", "name", "version", "sub_dir"}


@dataclass
class TargetCheck:
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
            yield from self._check_target(path, node)
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
            elif member is not BROKEN and not (member is None and path.startswith("callbacks.")):
                yield Problem(path, f"must be a mapping with _target_, got {show(member)}; remove it with ~{path}")

    def _child(self, path: str, value: Any) -> Iterator[Problem]:
        if isinstance(value, dict):
            yield from self.node(path, value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._child(f"{path}.{index}", item)

    def _check_target(self, path: str, node: dict[str, Any]) -> Iterator[Problem]:
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
        if (
            path == self.group
            and path in _BOUND
            and _BOUND[path] in target.parameters
            and not node.get("_partial_")
        ):
            rule = f"must be true: {target.name} is called with {_BOUND[path]} when the task has them"
            yield Problem(f"{path}._partial_", rule)
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
                yield from value_problems(f"{path}.{key}", value, schema.TRAINER_OURS[key])
            elif (parameter := target.parameters.get(key)) is not None and parameter.keyword:
                annotation = schema.foreign_annotation(target.path, key) or parameter.annotation
                yield from value_problems(f"{path}.{key}", value, annotation)
                yield from self._path_problems(f"{path}.{key}", key, value)
            elif target.open_ended and schema.takes_more(target.path, key):
                yield from self._path_problems(f"{path}.{key}", key, value)
            else:
                yield Problem(f"{path}.{key}", _unknown(key, target, self._supplied(path)))
        if not node.get("_args_"):
            yield from self._missing(path, node, target)
        else:
            yield from self._positional(path, node["_args_"], target)

    def _positional(self, path: str, values: Any, target: Target) -> Iterator[Problem]:
        """Check arguments that are given by their place as those that are given by name."""
        if not isinstance(values, list):
            yield Problem(f"{path}._args_", f"must be a list, got {show(values)}")
            return
        for index, (value, parameter) in enumerate(zip(values, target.parameters.values(), strict=False)):
            key = f"{path}._args_.{index}"
            annotation = schema.foreign_annotation(target.path, parameter.name) or parameter.annotation
            yield from value_problems(key, value, annotation)
            yield from self._path_problems(key, parameter.name, value)

    def _path_problems(self, path: str, key: str, value: Any) -> Iterator[Problem]:
        if self.group not in _COLLECTIONS or not isinstance(value, str):
            return
        if key in _FOLDER_ARGUMENTS and value and not is_inside(expanded(value), expanded(self.output_root)):
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
        if path.startswith("metrics.extra."):
            return schema.EXTRA_METRIC
        direct = path == self.group or self.group == "logger"
        return schema.SUPPLIED.get(self.group, ()) if direct else ()


def names_folders(cfg: DictConfig) -> bool:
    """Tell whether a callback or logger is told where to write; others take the run's folder."""
    waiting = [OmegaConf.to_container(cfg[group], resolve=False) for group in _COLLECTIONS if cfg.get(group)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if any(value.get(key) for key in (*_FOLDER_ARGUMENTS, "_args_")):
                return True
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False


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
    package, _, rest = path.partition(".")
    if package == "torchmetrics":
        hint = did_you_mean(path, [entry for entry in whitelist() if entry.startswith("torchmetrics.")])
        rule = f"is no metric of classes or values that ships, got {path}"
        return f"{rule};{hint or ' choose from torchmetrics.classification and torchmetrics.regression'}"
    if package == "lightning" and not is_trusted("lightning"):
        same = f"pytorch_lightning.{rest.removeprefix('pytorch.')}"
        return f"is not trusted, got {path}; write {same}, the same class in the package that lightune trains with"
    if package in sys.stdlib_module_names or package in _PARTLY_TRUSTED:
        return f"is not trusted, got {path}; choose an option of the group, or a class in a package of your own"
    return f"is not trusted, got {path}; if it is code of yours, start with {ENVIRONMENT_VARIABLE}={package}"
