"""lightune's own configuration files, open for composing.

This module must not import torch or Lightning.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from lightune.config.project import conf_in_use
from lightune.config.search_path import trusted_packages_only
from lightune.errors import Problem
from lightune.paths import conf_dir
from lightune.private_api.hydra import add_folder

__all__ = ["UNREADABLE", "Composing", "composing", "unreadable_files"]

UNREADABLE = (UnicodeError, YAMLError)
"""What Hydra raises of a configuration file that it cannot read, without its name."""
_NAME = "train"


class Composing:
    """lightune's own configuration files, open for composing.

    Args:
        config_dir: a folder with options of one's own, as `--config-dir` takes it.
        config_name: the file that is composed, as `--config-name` takes it.
    """

    def __init__(self, config_dir: str | Path | None = None, config_name: str = _NAME) -> None:
        self.folder, self._name = config_dir, config_name

    @property
    def loader(self) -> ConfigLoader:
        """What reads the files."""
        return GlobalHydra.instance().config_loader()

    def options(self, group: str) -> list[str]:
        """Return the options of a group, those of the folder of one's own among them; none if it is no group."""
        return self.loader.get_group_options(group, config_name=self._name)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Compose the configuration of a run, without Hydra's own node.

        Args:
            overrides: as on the command line.

        Raises:
            hydra.errors.HydraException: if they cannot be composed.
        """
        return hydra_compose(self._name, overrides=[*overrides])

    def compose_whole(self, overrides: Sequence[str], *, multirun: bool = False) -> DictConfig:
        """Compose what the application would act on, with Hydra's own node.

        Args:
            overrides: as on the command line; in a multirun, with the sweeps.
            multirun: whether it is what all jobs of a multirun share.

        Raises:
            hydra.errors.HydraException: if they cannot be composed.
        """
        mode = RunMode.MULTIRUN if multirun else RunMode.RUN
        config = self.loader.load_configuration(self._name, [*overrides], run_mode=mode)
        config.hydra.mode = mode  # which the jobs of a multirun go by
        return config


def unreadable_files(config_dir: str | Path | None, error: Exception) -> Iterator[Problem]:
    """Yield the configuration files that are not in UTF-8, or no YAML, which Hydra does not name.

    Args:
        config_dir: a folder with options of one's own.
        error: one of `UNREADABLE`, as Hydra raised it; of what is no YAML, the files are named that it can be of.
    """
    folders = [conf_dir(), conf_in_use(), Path(config_dir) if config_dir else None]
    for file in sorted({file.absolute(): file for folder in folders for file in _files_in(folder)}.values()):
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as wrong:
            rule = f"is not UTF-8 text (byte {wrong.start} is {wrong.object[wrong.start]:#04x})"
            yield Problem(str(file), f"{rule}; save it as UTF-8, without a byte order mark")
            continue
        except OSError:
            continue
        if isinstance(error, YAMLError) and (why := _why_no_yaml(text)) == _place(error, text):
            yield Problem(str(file), f"is no YAML: {why}")


def _files_in(folder: Path | None) -> Iterator[Path]:
    """Yield the YAML files below a folder, but for those of hidden folders, such as `.hydra` of every run."""
    for place, folders, names in os.walk(folder) if folder is not None else ():
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if name.endswith(".yaml"))


def _why_no_yaml(text: str) -> str | None:
    """Return what OmegaConf's parser says of a text, on one line; None of one that it reads."""
    try:
        OmegaConf.create(text)
    except YAMLError as error:
        return _place(error, text)
    except (AssertionError, ValueError, OmegaConfBaseException):  # a single word, of which Hydra says enough
        return None
    return None


def _place(error: YAMLError, text: str) -> str:
    """Return where a text is wrong, and how."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    line = text.splitlines()[mark.line : mark.line + 1]
    tab = "; indent with spaces, not with tabs" if any(each.lstrip(" ").startswith("\t") for each in line) else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}{tab}"


@contextmanager
def composing(config_dir: str | Path | None = None, config_name: str = _NAME) -> Iterator[Composing]:
    """Open lightune's own configuration files; a Hydra application that runs meanwhile gets its state back.

    Args:
        config_dir: a folder with options of one's own, as `--config-dir` takes it.
        config_name: the file that is composed, as `--config-name` takes it.
    """
    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        with trusted_packages_only(), initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
            opened = GlobalHydra.instance().hydra
            if config_dir is not None and opened is not None:
                opened.config_loader = add_folder(opened.config_loader, Path(config_dir))
            yield Composing(config_dir, config_name)
    finally:
        GlobalHydra.instance().hydra = running  # Hydra has put another instance in its place meanwhile
