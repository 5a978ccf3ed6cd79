"""Which configuration files a study could be composed of: those that its options name, and those that these name.

The defaults lists are read as they are written, so that no combination of options need be composed. This module
must not import Optuna, torch or Lightning.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf

from lightune.config.override_text import value_of_text
from lightune.study.space.dimensions import Choice
from lightune.study.space.space import Space

__all__ = ["chosen_groups", "chosen_options", "files_of", "folder_of_options", "reachable"]

_SUFFIXES = (".yaml", ".yml")
_LEFT_BY_RUNS = (".hydra", ".leases", "multirun.yaml")
_KEYWORDS = re.compile(r"(optional|override)\s+")


def chosen_options(config: DictConfig, space: Space) -> set[str]:
    """Return the options that are chosen or swept, as `group/option`, and the configuration that is their root.

    Args:
        config: of the multirun, as Hydra composed it.
        space: of the study.
    """
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)  # a mandatory one that is swept is ???
    chosen = {_bare(str(group)): option for group, option in choices.items()}
    for entry in space.entries:
        if isinstance(entry, Choice):
            values = [value_of_text(text) for text in entry.texts]
            if options := [value for value in values if not isinstance(value, dict)]:
                chosen[_bare(entry.key)] = options
    names = {f"{group}/{option}" for group, options in chosen.items() for option in _flat(options)}
    return {str(config.hydra.job.config_name), *names}


def folder_of_options(config: DictConfig) -> str | None:
    """Return the folder of `--config-dir`, absolute; None if there is none, or it is none of this machine's.

    Args:
        config: as Hydra composed it.
    """
    for source in config.hydra.runtime.config_sources:
        if source.provider == "command-line" and source.schema == "file":
            return os.path.abspath(str(source.path))
    return None


def chosen_groups(options: Iterable[str]) -> set[str]:
    """Return options with all the others of their groups, which the same study may take another time.

    Args:
        options: as `chosen_options` returns them.
    """
    return {name[: name.rindex("/") + 1] if "/" in name else name for name in options}


def reachable(folders: Sequence[Path], names: Iterable[str]) -> set[str]:
    """Return names, and those that their defaults lists name, and so on.

    Args:
        folders: of configuration files.
        names: `group/option`, or `group/` for all that lies below a group's folder.
    """
    waiting, found = list(names), set[str]()
    settled = {name.rpartition("/")[0] for name in waiting}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for folder in folders:
                for file in files_of(folder, [name]):
                    group = file.parent.relative_to(folder).as_posix().removeprefix(".")
                    waiting += _named(file, group, settled if not group else ())
    return found


def files_of(folder: Path, names: Iterable[str]) -> set[Path]:
    """Return the files of a folder that have some names, without what runs and studies left below it."""
    found: set[Path] = set()
    for name in names:
        if name.endswith("/") or not name:
            found.update(_below(folder / name))
        else:
            bare = name.removesuffix(".yaml")  # which may be typed, too
            found.update(file for suffix in _SUFFIXES if (file := folder / f"{bare}{suffix}").is_file())
    return found


def _below(folder: Path) -> Iterator[Path]:
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".") and not _is_output(Path(place, name))]
        yield from (file for name in names if (file := Path(place, name)).suffix in _SUFFIXES and file.is_file())


def _is_output(folder: Path) -> bool:
    return any((folder / name).exists() for name in _LEFT_BY_RUNS)


def _named(file: Path, group: str, settled: Collection[str]) -> Iterator[str]:
    """Yield the names in a file's defaults list, but for groups of which it is known what is chosen instead."""
    content = file.read_bytes()
    if b"defaults" not in content:
        return
    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # Hydra says so, if it reads the file
    defaults = tree.get("defaults") if isinstance(tree, dict) else None
    for entry in defaults if isinstance(defaults, list) else ():
        pairs = entry.items() if isinstance(entry, dict) else [(str(entry), None)]
        for key, value in pairs:
            path = _bare(_KEYWORDS.sub("", str(key)))
            path = path.removeprefix("/") if path.startswith("/") else f"{group}/{path}".removeprefix("/")
            if path in settled and not str(key).startswith("override"):
                continue
            for name in [path] if value is None else [f"{path}/{option}" for option in _flat(value)]:
                before, refers, _ = name.partition("${")
                yield before[: before.rfind("/") + 1] if refers else name


def _bare(group: str) -> str:
    return group.lstrip("+").partition("@")[0]


def _flat(options: Any) -> list[Any]:
    """Return the options that are chosen: none, one, or several, among which there may be lists of several."""
    if isinstance(options, Iterable) and not isinstance(options, str):
        return [option for each in options for option in _flat(each)]
    return [] if options is None else [options]
