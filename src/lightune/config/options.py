"""The options of a group as their files have them: what each builds, with which arguments, and what it is for.

This module must not import torch or Lightning.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.project import conf_in_use
from lightune.config.static.signatures import Target, TargetNotFoundError, UnreadableTargetError, describe
from lightune.paths import conf_dir

__all__ = ["Option", "options_of", "remarks_of"]

_REMARK = re.compile(r":?\s+#\s*(?P<text>.*\S)")


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
            node, sentence = _node(file, group, folders), _sentence(file)
        except (OSError, ValueError, KeyError, RecursionError, yaml.YAMLError, OmegaConfBaseException):
            node, sentence = {}, ""
        yield Option(name, sentence, node, _target(node))


def _node(file: Path, group: str, folders: Sequence[Path]) -> dict[str, Any]:
    """Return what a file sets below the group's key, with the options that it builds on below it.

    Raises:
        KeyError: if there is no option that it builds on.
    """
    tree = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    if not isinstance(tree, dict):
        return {}
    bases = [name for name in tree.pop("defaults", []) if isinstance(name, str) and name != "_self_"]
    merged = {
        key: value
        for base in bases
        for key, value in _node(_file_of(base, group, folders), group, folders).items()
    }
    own = tree.get(group, tree)
    return merged | {str(key): value for key, value in own.items()} if isinstance(own, dict) else merged


def _file_of(base: str, group: str, folders: Sequence[Path]) -> Path:
    """Return the file that an entry of a defaults list names: of its own group, or by a path from the root."""
    name = base.partition("@")[0]
    path = f"{name.removeprefix('/') if name.startswith('/') else f'{group}/{name}'}.yaml"
    found = [folder / path for folder in folders if (folder / path).is_file()]
    if not found:
        raise KeyError(base)
    return found[-1]


def _sentence(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    said = (line.removeprefix("#").strip() for line in lines if line.startswith("#") and "@package" not in line)
    return next(said, "")


def _target(node: dict[str, Any]) -> Target | None:
    try:
        return describe(str(node["_target_"]))
    except (KeyError, TargetNotFoundError, UnreadableTargetError):
        return None


def remarks_of(file: Path) -> dict[str, str]:
    """Return the comments behind the keys of a configuration file, by the dotted key.

    Args:
        file: of `conf/`, or of its form.
    """
    text = file.read_text(encoding="utf-8")
    return dict(_remarks(yaml.compose(text, Loader=yaml.SafeLoader), text.splitlines(), ""))


def _remarks(node: yaml.Node, lines: list[str], prefix: str) -> Iterator[tuple[str, str]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        is_block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        mark = key.end_mark if is_block else value.end_mark
        if mark.line < len(lines) and (found := _REMARK.match(lines[mark.line][mark.column :])):
            yield f"{prefix}{key.value}", found["text"]
        yield from _remarks(value, lines, f"{prefix}{key.value}.")
