"""`hydra/launcher=cluster`: warm processes on a Ray cluster, for any Hydra application and sweeper.

Hydra imports this module at each start; it must not import Ray, Optuna, torch or Lightning.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from lightune.study.executors.launcher import ExecutorLauncher

if TYPE_CHECKING:
    from lightune.study.executors.context import ExecutorContext
    from lightune.study.executors.executor import Executor

__all__ = ["ClusterLauncher", "ClusterLauncherConf"]


class ClusterLauncher(ExecutorLauncher):
    """Run jobs on a Ray cluster, in processes that stay warm from one to the next.

    Args:
        ray: `init`, the arguments of `ray.init`, and `remote`, the options of the actor that holds a job's
            resources, as hydra-ray-launcher takes them.
        fused: whether each process trains several jobs together, as `hydra/launcher=fused` does.
        fused_width: most jobs of a program, >= 2; None for as many as memory holds.
    """

    def __init__(self, ray: DictConfig, fused: bool = False, fused_width: int | None = None) -> None:
        self.ray = ray
        self.fused, self.fused_width = fused, fused_width

    @classmethod
    def fuses(cls, options: DictConfig) -> bool:
        """Return True if each process is to train several jobs together.

        Args:
            options: of `hydra.launcher`.
        """
        return bool(options.fused)

    @classmethod
    def require_reachable(cls, options: DictConfig) -> None:
        """Connect to the cluster, or start one here.

        Args:
            options: of `hydra.launcher`.

        Raises:
            ConfigError: if Ray is not installed, or does not answer.
        """
        from lightune.study.executors.ray.connection import connect

        connect(options.ray.init)

    def make_executor(self, context: "ExecutorContext") -> "Executor":
        """Start the worker processes.

        Args:
            context: what the trials belong to.

        Raises:
            ConfigError: if the cluster cannot be reached, or no node of it could ever hold a trial.
        """
        from lightune.study.executors.fused.open import require_one_device, serving_groups
        from lightune.study.executors.ray.open import open_executor

        if not self.fused:
            return open_executor(self.ray, context)
        require_one_device(context)
        size = context.most_at_once(self.fused_width)
        return open_executor(self.ray, context, serve=serving_groups(size, self.fused_width), capacity=size)


@dataclass
class RayConf:
    """What Ray is told, by the names of hydra-ray-launcher."""

    init: dict[str, Any] = field(
        default_factory=lambda: {"address": None, "log_to_driver": False, "logging_level": "warning"}
    )
    remote: dict[str, Any] = field(default_factory=dict)


@dataclass
class ClusterLauncherConf:
    """The keys of `hydra.launcher`."""

    _target_: str = "hydra_plugins.hydra_lightune.cluster.ClusterLauncher"
    ray: RayConf = field(default_factory=RayConf)
    fused: bool = False
    fused_width: Any = "${oc.select:search.fused_width,null}"


ConfigStore.instance().store(
    group="hydra/launcher", name="cluster", node=ClusterLauncherConf, provider="hydra_lightune"
)
