"""What the keys of a study are called by those who read its messages: `search.…`, or `hydra.sweeper.…` elsewhere.

This module must not import Optuna, torch or Lightning.
"""

from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from lightune.config.schema import SEARCH

__all__ = ["LIGHTUNE", "OTHERS", "Vocabulary", "vocabulary_of"]


@dataclass(frozen=True)
class Vocabulary:
    """The names that an application has for what messages advise to set; by default those of lightune's own.

    Args:
        node: holds the settings of a study.
        study: names a study.
        name: stands for the value of that key.
        grid: chooses the grid of all points.
        tpe: chooses the sampler that can search anything.
        genetic: chooses the sampler for several objectives.
    """

    node: str = "search"
    study: str = "search.study"
    name: str = "NAME"
    grid: str = "search=grid"
    tpe: str = "search=tpe"
    genetic: str = "search=genetic"

    def key(self, name: str) -> str:
        """Return the full key of a setting."""
        return f"{self.node}.{name}"


LIGHTUNE = Vocabulary()
OTHERS = Vocabulary(
    node="hydra.sweeper",
    study="hydra.sweep.dir",
    name="FOLDER",
    grid="hydra/sweeper/sampler=grid",
    tpe="hydra/sweeper/sampler=tpe",
    genetic="hydra/sweeper/sampler=nsgaii",
)


def vocabulary_of(config: DictConfig) -> Vocabulary:
    """Return the names of an application: one without lightune's `search` group has Hydra's own keys only.

    Args:
        config: of the multirun.
    """
    search = OmegaConf.select(config, "search")
    return LIGHTUNE if isinstance(search, DictConfig) and search.keys() & SEARCH.keys() else OTHERS
