"""What the preflight leaves for the task that follows it in the same process.

Hydra calls both, and passes nothing from its callbacks to the task: this one object stands between them, and
nothing else uses it. Everything after the task takes its parts as arguments.

This module must not import torch or Lightning.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from lightune.job.hydra_files import Withheld

if TYPE_CHECKING:
    from lightune.config.build import Parts

__all__ = ["Handover", "handover"]


@dataclass
class Handover:
    """What the preflight leaves for the task that follows it in this process.

    Args:
        passed: whether a configuration was found sound.
        parts: what was built of it; None in a multirun, where every job builds its own.
        resumed: the configuration of the run that is resumed; None for a new run.
        withheld: the files that Hydra was kept from saving; None if it has saved them.
    """

    passed: bool = False
    parts: "Parts | None" = None
    resumed: DictConfig | None = None
    withheld: Withheld | None = None

    def clear(self) -> None:
        """Forget what another command in the same process has left."""
        self.passed, self.parts, self.resumed, self.withheld = False, None, None, None

    def take_parts(self) -> "Parts | None":
        """Return the parts once; the next caller builds its own."""
        parts, self.parts = self.parts, None
        return parts


handover = Handover()
