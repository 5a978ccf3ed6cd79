"""Where Hydra would write for a run or a multirun: below `output_root`, and in a folder of its own.

This module must not import torch or Lightning.
"""

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from lightune.errors import ConfigError, Problem
from lightune.paths import create_run_dir, expanded, is_inside
from lightune.private_api.omegaconf import text_of
from lightune.secrets import names_behind

__all__ = ["folder_key", "folder_problems", "job_config", "reserve_folder"]


def job_config(config: DictConfig) -> DictConfig:
    """Return a copy of a composed configuration without Hydra's own node."""
    cfg = copy.deepcopy(config)
    with read_write(cfg), open_dict(cfg):
        cfg.pop("hydra", None)
    return cfg


def folder_key(*, multirun: bool) -> str:
    """Return the dotted key of the folder that a command writes to: a multirun's, or a run's."""
    return "hydra.sweep.dir" if multirun else "hydra.run.dir"


def folder_problems(config: DictConfig, *, multirun: bool) -> list[Problem]:
    """Return what is wrong with the places that Hydra would write to.

    Args:
        config: as composed, with Hydra's own node.
        multirun: whether jobs have folders of their own below the command's.

    Returns:
        All problems, none if the folders are sound; nothing is written and the configuration is not changed.
    """
    return list(_Places(pickle.loads(pickle.dumps(config)), multirun).problems())


def reserve_folder(config: DictConfig, *, multirun: bool) -> None:
    """Create the folder of a command; where it is taken, the configuration gets the name of another.

    Args:
        config: as composed, with Hydra's own node; changed in place.
        multirun: whether the command is a multirun.

    Raises:
        ConfigError: if no folder can be made.
    """
    key = folder_key(multirun=multirun)
    wanted = str(OmegaConf.select(config, key))
    try:
        reserved = create_run_dir(wanted)
    except OSError as error:
        raise ConfigError([Problem("output_root", f"cannot be written to: {error}")]) from error
    if reserved != wanted:
        node = config.hydra.sweep if multirun else config.hydra.run
        override(config, key, f"{text_of(node, 'dir')}{reserved.removeprefix(wanted)}")


def override(config: DictConfig, key: str, value: str) -> None:
    """Set a text of Hydra's own node, for this process and for the jobs that it composes.

    Args:
        config: as composed, with Hydra's own node; changed in place.
        key: dotted, below `hydra`.
        value: the text; interpolations in it stay interpolations.
    """
    quoted = QuotedString(value, Quote.single).with_quotes()
    with read_write(config.hydra), open_dict(config.hydra):
        OmegaConf.update(config, key, value)
        config.hydra.overrides.hydra.append(f"{key}={quoted}")


class _Places:
    def __init__(self, config: DictConfig, multirun: bool) -> None:
        self.config = config
        self.multirun = multirun
        self.here = Path(config.hydra.runtime.cwd)
        self.key = "output_root"  # what is being resolved

    def problems(self) -> Iterator[Problem]:
        try:
            yield from self._problems()
        except OmegaConfBaseException as error:
            yield Problem(self.key, f"cannot be resolved: {str(error).splitlines()[0]}")

    def _problems(self) -> Iterator[Problem]:
        root = self.here / expanded(str(self.config.output_root))
        folder = self._folder(folder_key(multirun=self.multirun))
        yield from self._below(self.key, folder, root, f"output_root ({self.config.output_root})")
        yield from self._plain(self.key)
        for part in [folder, *folder.parents]:
            if part.exists() and not part.is_dir():
                yield Problem(self.key, f"cannot be made: {part} is a file")
        if self.multirun:
            sweep, folder = folder, self._job_folder(folder)
            yield from self._below(self.key, folder, sweep, "hydra.sweep.dir")
            yield from self._plain(self.key)
        self.key = "hydra.output_subdir"
        if (name := OmegaConf.select(self.config, self.key)) is not None:
            yield from self._below(self.key, folder / str(name), folder, "the run's folder")

    def _folder(self, key: str) -> Path:
        self.key = key
        return self.here / str(OmegaConf.select(self.config, key, throw_on_missing=True))

    def _job_folder(self, sweep: Path) -> Path:
        self.key = "hydra.sweep.subdir"
        job: Any = self.config.hydra.job
        with read_write(self.config.hydra), open_dict(self.config.hydra):
            for key, value in (("num", 0), ("id", "0")):
                if OmegaConf.is_missing(job, key):
                    job[key] = value
        return sweep / str(self.config.hydra.sweep.subdir)

    def _below(self, key: str, path: Path, folder: Path, name: str) -> Iterator[Problem]:
        if not is_inside(path, folder):
            advice = "; set output_root or name instead" if name.startswith("output_root") else ""
            shown = path.relative_to(self.here) if path.is_relative_to(self.here) else path
            yield Problem(key, f"must lie below {name}, got {shown}{advice}")

    def _plain(self, key: str) -> Iterator[Problem]:
        """Refuse a folder whose name would show what comes from the environment; output_root may, as a place."""
        for name in sorted(names_behind(self.config, key) - names_behind(self.config, "output_root")):
            yield Problem(key, f"must not hold a value from the environment ({name}): folder names show it")
