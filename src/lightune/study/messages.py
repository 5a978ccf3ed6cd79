"""What a study is called by those who read its messages: `search.…` here, `hydra.sweeper.…` in other applications.

This module must not import Optuna, torch or Lightning.
"""

import re

from omegaconf import DictConfig, OmegaConf

from lightune.config.schema import SEARCH
from lightune.errors import ConfigError, LightuneError, Problem

__all__ = ["in_words_of", "refusal_in_words_of"]

_KEYS = "|".join([*SEARCH, "space", "enqueue", "objectives", "pruner"])
_ELSEWHERE = {
    r"search\.study=NAME": "hydra.sweep.dir=FOLDER",
    r"search\.study\b": "hydra.sweep.dir",
    r"search=genetic": "hydra/sweeper/sampler=nsgaii",
    r"search=(?=tpe\b)": "hydra/sweeper/sampler=",
    rf"search\.(?=({_KEYS})\b)": "hydra.sweeper.",
}


def in_words_of(config: DictConfig, text: str) -> str:
    """Say something in the keys that an application has.

    Args:
        config: of the multirun; one without lightune's `search` group has Hydra's own keys only.
        text: with the keys of `search`.
    """
    search = OmegaConf.select(config, "search")
    if isinstance(search, DictConfig) and search.keys() & SEARCH.keys():
        return text
    for ours, theirs in _ELSEWHERE.items():
        text = re.sub(rf"(?<![\w./]){ours}", theirs, text)
    return text


def refusal_in_words_of(config: DictConfig, refusal: LightuneError) -> LightuneError:
    """Return a refusal with the keys that an application has."""
    if isinstance(refusal, ConfigError):
        return ConfigError(
            [Problem(in_words_of(config, p.key), in_words_of(config, p.message)) for p in refusal.problems]
        )
    return type(refusal)(in_words_of(config, str(refusal)))
