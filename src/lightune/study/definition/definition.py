"""What a configuration says of a study: how it searches, and in which space. Read here alone.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.override_text import bare_key
from lightune.study.definition.division import with_one_division
from lightune.study.definition.settings import Settings
from lightune.study.space.assignments import mappings_of
from lightune.study.space.dimensions import Dimension, typed_key
from lightune.study.space.keys import is_group
from lightune.study.space.reader import read_space
from lightune.study.space.space import Space, lists_points

__all__ = ["Definition", "read_definition"]


@dataclass(frozen=True)
class Definition:
    """How a study searches, and what its trials may be.

    Args:
        settings: the values of `hydra.sweeper`.
        space: of the command line and of `search.space`.
        arguments: the overrides that it was read from.
    """

    settings: Settings
    space: Space
    arguments: tuple[str, ...]

    @property
    def is_grid(self) -> bool:
        """Whether it is the grid of its space, and not a sampled search."""
        return lists_points(self.settings.sampler) and self.space.is_discrete

    def is_that_of(self, config: DictConfig, arguments: Sequence[str]) -> bool:
        """Return True if a configuration still says this, which a callback of Hydra may have changed since.

        Args:
            config: the one that it was read from.
            arguments: the task's overrides, with the sweeps.

        Raises:
            ConfigError: with all that is wrong with the settings.
        """
        return self.arguments == tuple(arguments) and self.settings == Settings.from_config(config)


def read_definition(config: DictConfig, loader: ConfigLoader, arguments: Sequence[str]) -> Definition:
    """Read what a study is from the configuration of a multirun.

    What is swept may bring settings of its own, an experiment its space or data their metric. So they are read as
    the first trial has them; that all trials have the same is for `preflight` to see.

    Args:
        config: as Hydra composed it, with its own node.
        loader: finds the options that `glob` stands for.
        arguments: the task's overrides, with the sweeps.

    Raises:
        ConfigError: with all that is wrong with the settings, or else with the space.
    """
    definition = _as_first_trial(config, loader, arguments)
    space = with_one_division(definition.space, config, loader, sampled=not definition.is_grid)
    return replace(definition, space=space)


def _as_first_trial(config: DictConfig, loader: ConfigLoader, arguments: Sequence[str]) -> Definition:
    definition = _read(config, loader, arguments)
    if not any(_brings_settings(dimension, loader) for dimension in definition.space.dimensions):
        return definition
    try:
        trial = loader.load_sweep_config(config, definition.space.overrides(definition.space.first_point()))
    except (HydraException, OmegaConfBaseException, ValueError):
        return definition  # whoever composes the trial says so
    storage = definition.settings.storage  # whose password the overrides may lack
    settings = Settings.from_config(trial)
    settings = replace(settings, storage=storage or settings.storage)
    if settings == definition.settings and not any(dimension.when for dimension in definition.space.dimensions):
        return definition
    return replace(_read(trial, loader, arguments), settings=settings)


def _brings_settings(dimension: Dimension, loader: ConfigLoader) -> bool:
    root = bare_key(dimension.key).partition(".")[0]
    return is_group(typed_key(dimension), loader) or bool(mappings_of(dimension)) or root in ("search", "monitor")


def _read(config: DictConfig, loader: ConfigLoader, arguments: Sequence[str]) -> Definition:
    choices = config.hydra.runtime.choices

    def fixed(key: str) -> Any:
        return choices[key] if key in choices else OmegaConf.select(config, key)

    settings = Settings.from_config(config)
    space = read_space(
        arguments,
        params=settings.space,
        loader=loader,
        fixed=fixed,
        seed=settings.seed,
        vocabulary=settings.vocabulary,
    )
    return Definition(settings, space, tuple(arguments))
