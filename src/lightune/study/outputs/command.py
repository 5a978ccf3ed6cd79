"""The command that goes on with a study, as far as its folder tells.

The folder may be somebody else's, and whoever types a command vouches for more than files may say
(`docs/security.md`): what would have to be vouched for is not repeated.

This module must not import Optuna, torch or Lightning.
"""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lightune.paths import expanded, shown_path, typed_override
from lightune.study.definition.identity import study_name
from lightune.study.definition.spec import Spec, own_program

__all__ = ["command_to_go_on"]

_UNKNOWN = "the command that began it"
_MULTIRUN = "multirun.yaml"
_MAIN, _ROOT = "train", "outputs"
_OF_THE_FOLDER = ("hydra.sweep.dir=", "hydra.mode=")
_TOTAL = "search.n_trials="
_HIDDEN = "***"


def command_to_go_on(folder: Path, spec: Spec) -> str:
    """Return the line to type; where it cannot be repeated in full, which command is meant.

    Args:
        folder: the study's.
        spec: what it says of itself.
    """
    program = own_program(spec.program)
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError, HydraException):
        hydra = yaml.safe_load((folder / _MULTIRUN).read_text(encoding="utf-8"))["hydra"]
        words = [*_flags(hydra), *_overrides(folder, spec, hydra["overrides"])]
        if program and not any(_HIDDEN in word for word in words):
            return " ".join([program, "-m", *map(shlex.quote, words)])
    return _UNKNOWN


def _flags(hydra: dict[str, Any]) -> Iterator[str]:
    """Yield the flags that name files of the user's own.

    Raises:
        ValueError: if one cannot be told.
    """
    folders = [each["path"] for each in hydra["runtime"]["config_sources"] if each["provider"] == "command-line"]
    if any(not isinstance(path, str) or not Path(path).is_dir() for path in folders) or len(folders) > 1:
        raise ValueError(f"{folders} are no folder of options")
    for path in folders:
        yield from ("--config-dir", shown_path(Path(path)))
    if (name := hydra["job"]["config_name"]) != _MAIN:
        yield from ("--config-name", str(name))


def _overrides(folder: Path, spec: Spec, typed: dict[str, Any]) -> Iterator[str]:
    """Yield the overrides of a study's command, with the folder where they do not lead to it.

    Raises:
        ValueError: if one is not to be repeated.
    """
    lines = [line for line in [*typed["hydra"], *typed["task"]] if not line.startswith(_OF_THE_FOLDER)]
    root = _ROOT
    for line, override in zip(lines, OverridesParser.create().parse_overrides(lines), strict=True):
        if override.key_or_group.startswith("hydra."):
            raise ValueError(f"{line} is for who types it")
        if override.key_or_group == "output_root":
            root = expanded(str(override.value()))
        if line.startswith(_TOTAL) and spec.n_trials is not None:
            yield f"{_TOTAL}{spec.n_trials}"
        else:
            yield line
    if folder.parent.resolve() != Path(root, "studies").resolve():
        raise ValueError(f"{folder} is not below {root}")
    digest = study_name("", spec.identity).rpartition("_")[2]
    if f"search.study={folder.name}" not in lines and not folder.name.endswith(f"_{digest}"):
        yield shlex.split(typed_override("hydra.sweep.dir", shown_path(folder)))[0]
