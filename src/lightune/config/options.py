"""The options of a group as their files have them: what each builds, with which arguments, and what it is for.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from lightune.config.project import conf_in_use
from lightune.config.static.signatures import Target, TargetNotFoundError, UnreadableTargetError, describe
from lightune.paths import conf_dir

__all__ = ["Option", "options_of"]


@dataclass(frozen=True)
class Option:
    """One file of a group.

    Args:
        name: what is chosen, as `cnn` in `model=cnn`.
        sentence: the first line of the file's comment.
        node: what the file sets, over what it takes from other options of the group; not resolved;
            empty where the file cannot be read.
        target: what is built of it; None where that is not to be read.
    """

    name: str
    sentence: str
    node: dict[str, Any]
    target: Target | None


def options_of(group: str, folder: Path | None = None) -> Iterator[Option]:
    """Yield the options of a group in the order of their names.

    Args:
        group: the config group, e.g. `model`.
        folder: with options of one's own, as `--config-dir` takes it; they win over others of their name, and so
            do those of the project that was entered.
    """
    folders = [each for each in (conf_dir(), conf_in_use(), folder) if each is not None]
    files = {file.stem: file for each in folders for file in (each / group).glob("*.yaml")}
    for name, file in sorted(files.items()):
        try:
            node, sentence = _node(file, group, files), _sentence(file)
        except (OSError, ValueError, KeyError, RecursionError, YAMLError, OmegaConfBaseException):
            node, sentence = {}, ""
        yield Option(name, sentence, node, _target(node))


def _node(file: Path, group: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """Return what a file sets below the group's key, with the options that it builds on below it.

    Raises:
        KeyError: if there is no option that it builds on.
    """
    tree = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    if not isinstance(tree, dict):
        return {}
    bases = [name for name in tree.pop("defaults", []) if isinstance(name, str) and name != "_self_"]
    merged = {key: value for base in bases for key, value in _node(files[base], group, files).items()}
    own = tree.get(group, tree)
    return merged | {str(key): value for key, value in own.items()} if isinstance(own, dict) else merged


def _sentence(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    said = (line.removeprefix("#").strip() for line in lines if line.startswith("#") and "@package" not in line)
    return next(said, "")


def _target(node: dict[str, Any]) -> Target | None:
    try:
        return describe(str(node["_target_"]))
    except (KeyError, TargetNotFoundError, UnreadableTargetError):
        return None
