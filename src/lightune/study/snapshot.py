"""The configuration files that a study began with, kept so that later edits do not change it.

This module must not import Optuna, torch or Lightning.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig

from lightune.study.identity import overrides_of
from lightune.study.syntax import value_text

__all__ = ["FOLDER", "changed_files", "compose_again", "snapshot_loader", "take_snapshot"]

FOLDER = "conf"
_SUFFIXES = {".yaml", ".yml"}
_LEFT_BY_RUNS = (".hydra", ".leases", "multirun.yaml")


def take_snapshot(loader: ConfigLoader, study: Path, hide: Callable[[str], str] = str) -> None:
    """Copy every folder of configuration files on the search path below a study's folder, if that is not done.

    Args:
        loader: with the search path.
        study: the study's folder.
        hide: takes what must not be written down out of a text.

    Raises:
        OSError: if it cannot be written.
    """
    target = study / FOLDER
    if target.is_dir():
        return
    temporary = study / f".{FOLDER}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, folder in _folders(loader):
        for file in _files(folder):
            copy = temporary / name / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(_hidden(file.read_bytes(), hide))
    temporary.rename(target)


def changed_files(loader: ConfigLoader, study: Path, hide: Callable[[str], str] = str) -> list[str]:
    """Return the configuration files that were edited, added or removed since the snapshot."""

    def differs(file: Path, copy: Path) -> bool:
        live, kept = _content(file), _content(copy)
        return kept != (_hidden(live, hide) if live is not None else None)

    changed: list[str] = []
    for name, folder in _folders(loader):
        kept = study / FOLDER / name
        names = {file.relative_to(folder) for file in _files(folder)}
        names |= {file.relative_to(kept) for file in _files(kept)}
        changed += [str(path) for path in sorted(names) if differs(folder / path, kept / path)]
    return changed


def snapshot_loader(loader: ConfigLoader, study: Path) -> ConfigLoader:
    """Return a loader that reads the snapshot where `loader` reads folders."""
    kept = {str(folder): study / FOLDER / name for name, folder in _folders(loader)}
    path = ConfigSearchPathImpl()
    for element in loader.get_search_path().get_path():
        assert element.path is not None
        folder = _folder_of(element.path)
        location = f"file://{kept[str(folder)].absolute()}" if str(folder) in kept else element.path
        path.append(provider=element.provider or "", path=location)
    return ConfigLoaderImpl(config_search_path=path)


def compose_again(loader: ConfigLoader, config: DictConfig, study: Path, live: ConfigLoader) -> DictConfig:
    """Compose a multirun's configuration as Hydra did, from the snapshot.

    Args:
        loader: as `snapshot_loader` returns it.
        config: what Hydra composed.
        study: the study's folder.
        live: the loader that composed it.
    """
    overrides = overrides_of(config, "hydra")
    searched = [study / FOLDER / name for name, folder in _folders(live) if name.endswith("_searchpath")]
    if config.hydra.get("searchpath"):
        overrides = [line for line in overrides if not line.startswith("hydra.searchpath=")]
        overrides.append("hydra.searchpath=[" + ",".join(f"'file://{path.absolute()}'" for path in searched) + "]")
    overrides = [line for line in overrides if not line.startswith("hydra.sweep.dir=")]
    overrides.append(f"hydra.sweep.dir={value_text(str(study))}")
    again = loader.load_configuration(
        config.hydra.job.config_name,
        overrides=[*overrides, *overrides_of(config, "task")],
        run_mode=RunMode.MULTIRUN,
    )
    again.hydra.mode = RunMode.MULTIRUN
    return again


def _folders(loader: ConfigLoader) -> Iterator[tuple[str, Path]]:
    """Yield a name in the snapshot, and the folder, of each source of files."""
    for index, source in enumerate(loader.get_sources()):
        if source.scheme() == "file" and Path(source.path).is_dir():
            provider = "searchpath" if "searchpath" in source.provider else source.provider
            yield f"{index}_{provider}", Path(source.path)


def _folder_of(path: str) -> Path | None:
    if "://" in path and not path.startswith("file://"):
        return None
    return Path(path.removeprefix("file://"))


def _files(folder: Path) -> list[Path]:
    """Return the configuration files of a folder, without what runs and studies left below it."""
    found: list[Path] = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".") and not _is_output(Path(place, name))]
        found += [Path(place, name) for name in names if Path(name).suffix in _SUFFIXES]
    return sorted(file for file in found if file.is_file())


def _is_output(folder: Path) -> bool:
    return any((folder / name).exists() for name in _LEFT_BY_RUNS)


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _hidden(content: bytes, hide: Callable[[str], str]) -> bytes:
    return hide(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
