"""What lightune's launchers have in common: they keep what Hydra hands over until a batch is to be run.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.imports import import_training

__all__ = ["KeepingLauncher", "groups"]


class KeepingLauncher(Launcher):
    """Keep what Hydra hands a launcher."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration of the multirun, and what its jobs run."""
        self._handed_over = {"config": config, "hydra_context": hydra_context, "task_function": task_function}

    @property
    def handed_over(self) -> dict[str, Any]:
        """`config`, `hydra_context` and `task_function`, as `setup` took them."""
        return self._handed_over


def groups(*, size: int, fused_width: int | None) -> Callable[[Any], None]:
    """Return what lets a worker train its trials together; arguments are those of `serve_groups`."""
    return partial(_serve_groups, size=size, fused_width=fused_width)


def _serve_groups(service: Any, *, size: int, fused_width: int | None) -> None:
    import_training()
    from lightune.engine.groups import serve_groups

    serve_groups(service, size=size, fused_width=fused_width)
