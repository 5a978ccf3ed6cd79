"""`hydra/launcher=cluster`: warm processes on a Ray cluster, for any Hydra application and sweeper.

Hydra imports this module at each start; it must not import Ray, Optuna, torch or Lightning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from lightune.study.executors.launcher import KeepingLauncher

__all__ = ["ClusterLauncher", "ClusterLauncherConf"]


class ClusterLauncher(KeepingLauncher):
    """Run jobs on a Ray cluster, in processes that stay warm from one to the next.

    Args:
        ray: `init`, the arguments of `ray.init`, and `remote`, the options of the actor that holds a job's
            resources, as hydra-ray-launcher takes them.
        fused: whether each place trains several jobs together, as `hydra/launcher=fused` does.
        fused_width: most jobs of a program, >= 2; None for as many as memory holds.
    """

    is_remote = True

    def __init__(self, ray: DictConfig, fused: bool = False, fused_width: int | None = None) -> None:
        self.ray = ray
        self.fused, self.fused_width = fused, fused_width

    def open_remote(self, **how: Any) -> Any:
        """Start the processes; `how` as `lightune.study.executors.ray.open.open_cluster`."""
        from lightune.study.executors.ray.open import open_cluster

        return open_cluster(self.ray, **how)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch and wait for all of it.

        Args:
            job_overrides: of each job.
            initial_job_idx: number of the first job.
        """
        from lightune.study.definition.settings import Settings
        from lightune.study.executors.run_batch import run_batch

        config, size = self.handed_over["config"], len(job_overrides)
        return run_batch(
            job_overrides,
            initial_job_idx,
            **self.handed_over,
            serve=self.serving(size),
            open_pool=lambda most, inheritance: self.open_remote(
                settings=Settings(()),
                config=config,
                most=most,
                inheritance=inheritance,
                owner="batch",
                capacity=size if self.fused else 1,
            ),
        )


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
