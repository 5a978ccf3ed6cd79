"""What the preflight leaves for the task that follows it in the same process.

This module must not import torch or Lightning.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

if TYPE_CHECKING:
    from lightune.config.build import Parts

__all__ = ["Handover", "handover"]


@dataclass
class Handover:
    """What the preflight leaves for the task that follows it in this process.

    Args:
        passed: whether a configuration was found sound.
        parts: what was built of it; None in a multirun, where every job builds its own.
        resumed: the configuration of the run to go on with, if that is what was asked for.
        env_set: Hydra's environment settings as written, before they were resolved.
    """

    passed: bool = False
    parts: "Parts | None" = None
    resumed: DictConfig | None = None
    env_set: Any = None

    def take_parts(self) -> "Parts | None":
        """Return the parts once; the next caller builds its own."""
        parts, self.parts = self.parts, None
        return parts


handover = Handover()
