"""What lightune's launchers have in common: they keep what Hydra hands over until a batch is to be run.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

__all__ = ["KeepingLauncher"]


class KeepingLauncher(Launcher):
    """Keep what Hydra hands a launcher."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration of the multirun, and what its jobs run."""
        self._handed_over = {"config": config, "hydra_context": hydra_context, "task_function": task_function}

    @property
    def handed_over(self) -> dict[str, Any]:
        """`config`, `hydra_context` and `task_function`, as `setup` took them."""
        return self._handed_over
