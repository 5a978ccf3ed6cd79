"""Compose a configuration from Python, as the command line does.

This module must not import torch or Lightning.
"""

from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig

from lightune.config.composing import composing
from lightune.config.overrides import judged
from lightune.config.validate import find_problems
from lightune.config.words import Words, keep_words
from lightune.errors import ConfigError, Problem
from lightune.paths import FROM

__all__ = ["compose"]


def compose(overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> DictConfig:
    """Compose the configuration that `python train.py OVERRIDES` would train.

    A Hydra application that is initialized already stays as it was.

    Args:
        overrides: as on the command line, e.g. `["model=cnn", "optimizer.lr=0.01"]`.
        config_dir: a folder with options of one's own, as `--config-dir` takes it.

    Raises:
        ConfigError: if an option or key does not exist, or an override cannot be read, with all that is wrong with
            the others, too; or if there is no such folder.
        hydra.errors.HydraException: if it is a file that cannot be composed.
    """
    if isinstance(overrides, str):
        raise ConfigError([Problem("overrides", f"must be a list of texts, as ['data=wine'], got {overrides!r}")])
    if any(word.startswith(f"{FROM}=") for word in overrides):
        rule = "belongs to the command line; in Python, OmegaConf.load reads RUN/.hydra/config.yaml"
        raise ConfigError([Problem(FROM, rule)])
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError([Problem("config_dir", f"there is no folder {Path(config_dir).absolute()}")])
    with composing(config_dir) as files:
        try:
            cfg = files.compose(overrides)
        except (HydraException, ValueError):
            words = judged(overrides, files, quote=repr)
            if not words.problems:
                raise
            problems = [*words.problems, *words.sure(find_problems(files.compose(words.sound)))]
        else:
            keep_words(cfg, Words(tuple(overrides), config_dir))
            return cfg
    raise ConfigError(list(dict.fromkeys(problems)))
