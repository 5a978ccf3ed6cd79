"""The configuration files that a study began with, kept so that later edits do not change it.

This module must not import Optuna, torch or Lightning.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig

from lightune.config.override_text import value_text
from lightune.errors import ConfigError, Problem
from lightune.private_api.hydra import loader_of
from lightune.runtime.atomic_files import write_whole
from lightune.study.definition.config_files import chosen_groups, files_of, reachable
from lightune.study.definition.identity import WHAT_IS_LEFT, overrides_of

__all__ = [
    "FOLDER",
    "changed_files",
    "complete_snapshot",
    "compose_again",
    "is_of_snapshot",
    "shortened",
    "snapshot_digests",
    "snapshot_loader",
    "take_snapshot",
]

FOLDER = "conf"
_SINCE = (
    *(f"search.{key}=" for key in ("changed_code", "report", "keep_checkpoints")),
    *(f"{key}=" for key in WHAT_IS_LEFT),
)
_SOURCE = re.compile(r"\d+_.+")


def take_snapshot(
    loader: ConfigLoader, study: Path, options: Collection[str], hide: Callable[[str], str] = str
) -> None:
    """Copy the configuration files that a study could need below its folder, if that is not done.

    These are the options of the chosen ones' groups, in every folder on the search path, and what they name.

    Args:
        loader: with the search path.
        study: the study's folder.
        options: that are chosen, as `chosen_options` returns them.
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
    folders = dict(_folders(loader))
    names = reachable(list(folders.values()), chosen_groups(options))
    for source, folder in folders.items():
        (temporary / source).mkdir()
        for file in files_of(folder, names):
            copy = temporary / source / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(_hidden(file.read_bytes(), hide))
    temporary.rename(target)


def is_of_snapshot(path: Path) -> bool:
    """Return True if a path in a snapshot's folder has the name of a source of files."""
    return _SOURCE.fullmatch(path.name) is not None


def snapshot_digests(study: Path) -> dict[str, str]:
    """Return the path below the snapshot's folder of each of its files, and its SHA-256."""
    folder = study / FOLDER
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path.read_bytes()) for path in files}


def complete_snapshot(
    loader: ConfigLoader, study: Path, digests: Mapping[str, str], hide: Callable[[str], str] = str
) -> list[str]:
    """Put back what is missing or damaged of a snapshot from today's files, where they are still the same.

    Args:
        loader: with the search path.
        study: the study's folder.
        digests: of the whole snapshot, as `snapshot_digests` returned them when it was taken.
        hide: as `take_snapshot` was given it.

    Returns:
        The paths of what was put back.

    Raises:
        ConfigError: if a file can be taken from nowhere; nothing was written.
        OSError: if it cannot be written.
    """
    folders = dict(_folders(loader))

    def today(path: str) -> bytes | None:
        source, _, name = path.partition("/")
        live = _content(folders[source] / name) if source in folders else None
        return _hidden(live, hide) if live is not None else None

    def is_sound(content: bytes | None, path: str) -> bool:
        return content is not None and _digest(content) == digests[path]

    missing = [path for path in digests if not is_sound(_content(study / FOLDER / path), path)]
    found = {path: content for path in missing if is_sound(content := today(path), path) and content is not None}
    if lost := [path for path in missing if path not in found]:
        rule = f"its configuration files are missing or damaged ({_shown(study, lost)}), and today's are others"
        advice = "put them back from a copy, or take another search.study="
        raise ConfigError([Problem("search.study", f"{rule} than those that it began with; {advice}")])
    for path, content in found.items():
        write_whole(study / FOLDER / path, content)
    return [f"{FOLDER}/{path}" for path in missing]


def _shown(study: Path, paths: Sequence[str]) -> str:
    if not (study / FOLDER).is_dir():
        return f"the whole folder {FOLDER}"
    return shortened([f"{FOLDER}/{path}" for path in paths])


def shortened(names: Sequence[str], most: int = 3) -> str:
    """Return some names as one text, with how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def changed_files(
    loader: ConfigLoader, study: Path, options: Collection[str], hide: Callable[[str], str] = str
) -> list[str]:
    """Return the files of the chosen options that were edited, added or removed since the snapshot.

    Args:
        loader: with the search path.
        study: the study's folder.
        options: that are chosen, as `chosen_options` returns them.
        hide: takes what must not be written down out of a text.
    """

    def differs(file: Path, copy: Path) -> bool:
        live, kept = _content(file), _content(copy)
        return kept != (_hidden(live, hide) if live is not None else None)

    changed: list[str] = []
    folders = dict(_folders(loader))
    names = reachable([study / FOLDER / source for source in folders], options)
    for source, folder in folders.items():
        kept = study / FOLDER / source
        paths = {file.relative_to(place) for place in (folder, kept) for file in files_of(place, names)}
        changed += [str(path) for path in sorted(paths) if differs(folder / path, kept / path)]
    return changed


def snapshot_loader(loader: ConfigLoader, study: Path) -> ConfigLoader:
    """Return a loader that reads the snapshot where `loader` reads folders."""
    kept = {str(folder): study / FOLDER / name for name, folder in _folders(loader)}
    places: list[tuple[str, str]] = []
    for element in loader.get_search_path().get_path():
        assert element.path is not None
        folder = _folder_of(element.path)
        location = f"file://{kept[str(folder)].absolute()}" if str(folder) in kept else element.path
        places.append((element.provider or "", location))
    return loader_of(places)


def compose_again(loader: ConfigLoader, config: DictConfig, study: Path, live: ConfigLoader) -> DictConfig:
    """Compose a multirun's configuration as Hydra did, from the snapshot.

    Args:
        loader: as `snapshot_loader` returns it.
        config: what Hydra composed.
        study: the study's folder.
        live: the loader that composed it.
    """
    overrides = overrides_of(config, "hydra")
    if config.hydra.get("searchpath"):
        overrides = [line for line in overrides if not line.startswith("hydra.searchpath=")]
        overrides.append(f"hydra.searchpath=[{','.join(map(value_text, _searched(live, study)))}]")
    overrides = [line for line in overrides if not line.startswith("hydra.sweep.dir=")]
    overrides.append(f"hydra.sweep.dir={value_text(str(study))}")
    again = loader.load_configuration(
        config.hydra.job.config_name,
        overrides=[*overrides, *map(_addable, overrides_of(config, "task"))],
        run_mode=RunMode.MULTIRUN,
    )
    again.hydra.mode = RunMode.MULTIRUN
    return again


def _addable(line: str) -> str:
    """Return an override of a setting that files of studies of before do not have as one that adds it."""
    return f"++{line}" if line.startswith(_SINCE) else line


def _searched(live: ConfigLoader, study: Path) -> Iterator[str]:
    """Yield what `hydra.searchpath` is to name for a snapshot: its folders, and packages, which are installed."""
    kept = {name.partition("_")[0]: study / FOLDER / name for name, _ in _folders(live)}
    for index, source in enumerate(live.get_sources()):
        if "searchpath" in source.provider:
            folder = kept.get(str(index))
            yield f"file://{folder.absolute()}" if folder else f"{source.scheme()}://{source.path}"


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


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hidden(content: bytes, hide: Callable[[str], str]) -> bytes:
    return hide(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
