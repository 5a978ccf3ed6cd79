"""What lightune's launchers have in common: they keep what Hydra hands over, and open processes for a sweeper.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.training.imports import import_training

__all__ = ["KeepingLauncher"]


class KeepingLauncher(Launcher):
    """Keep what Hydra hands a launcher, and open processes for a sweeper that need not wait for a whole batch.

    Attributes:
        is_remote: whether its processes are on the machines of a cluster.
        fused: whether each of them trains several jobs together.
        fused_width: most jobs of a program, >= 2; None for as many as memory holds.
    """

    is_remote = False
    fused = False
    fused_width: int | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration of the multirun, and what its jobs run."""
        self._handed_over = {"config": config, "hydra_context": hydra_context, "task_function": task_function}

    @property
    def handed_over(self) -> dict[str, Any]:
        """`config`, `hydra_context` and `task_function`, as `setup` took them."""
        return self._handed_over

    def serving(self, size: int) -> Callable[[Any], None] | None:
        """Return what a process that takes `size` jobs at a time does with them; None for one after another."""
        return partial(_serve_groups, size=size, fused_width=self.fused_width) if self.fused else None

    def open(self, slots: Sequence[Any], **how: Any) -> Any:
        """Start a process on this machine for each slot; `how` as `executors.local.executor.Workers`."""
        from lightune.study.executors.local.executor import Workers

        return Workers(slots, **how)

    def open_remote(self, **how: Any) -> Any:
        """Start processes on a cluster, where `is_remote`; `how` as `executors.ray.open.open_cluster`."""
        raise NotImplementedError

    def open_together(self, **how: Any) -> Any:
        """Make a pool in this process, where `fused`; `how` as `executors.fused.executor.FusedPool`."""
        import_training()
        from lightune.study.executors.fused.executor import FusedPool

        return FusedPool(fused_width=self.fused_width, **how)


def _serve_groups(service: Any, *, size: int, fused_width: int | None) -> None:
    import_training()
    from lightune.study.executors.fused.worker_loop import serve_groups

    serve_groups(service, size=size, fused_width=fused_width)
