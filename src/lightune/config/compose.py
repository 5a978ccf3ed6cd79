"""Compose a configuration from Python, as the command line does.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from lightune.config.search_path import trusted_packages_only
from lightune.paths import conf_dir

__all__ = ["Composing", "compose", "composing"]


def compose(overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> DictConfig:
    """Compose the configuration that `python train.py OVERRIDES` would train.

    A Hydra application that is initialized already stays as it was.

    Args:
        overrides: as on the command line, e.g. `["model=cnn", "optimizer.lr=0.01"]`.
        config_dir: a folder with options of one's own, as `--config-dir` takes it.

    Raises:
        hydra.errors.HydraException: if an option or key does not exist.
    """
    with composing(config_dir) as composer:
        return composer.compose(overrides)


class Composing:
    """lightune's own configuration files, open for composing.

    Args:
        config_dir: a folder with options of one's own, as `--config-dir` takes it.
    """

    def __init__(self, config_dir: str | Path | None = None) -> None:
        self._extra = [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"]

    @property
    def loader(self) -> ConfigLoader:
        """What reads the files, those of the folder of one's own not among them."""
        return GlobalHydra.instance().config_loader()

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Compose a configuration; arguments and errors are those of the function."""
        return hydra_compose("train", overrides=[*self._extra, *overrides])


@contextmanager
def composing(config_dir: str | Path | None = None) -> Iterator[Composing]:
    """Open lightune's own configuration files; a Hydra application that runs meanwhile gets its state back.

    Args:
        config_dir: a folder with options of one's own, as `--config-dir` takes it.
    """
    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        with trusted_packages_only(), initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
            yield Composing(config_dir)
    finally:
        GlobalHydra.instance().hydra = running  # Hydra has put another instance in its place meanwhile
