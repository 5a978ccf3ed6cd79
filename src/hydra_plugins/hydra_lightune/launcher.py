"""`hydra/launcher=local`: warm processes on this machine, for any Hydra application and any sweeper.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn

from lightune.study.executors.launcher import KeepingLauncher

__all__ = ["LocalLauncher", "LocalLauncherConf"]


class LocalLauncher(KeepingLauncher):
    """Run jobs in processes that stay warm from one to the next.

    Args:
        n_jobs: jobs at the same time when another sweeper than lightune's launches a batch, > 0.
    """

    def __init__(self, n_jobs: int = 1) -> None:
        self.n_jobs = n_jobs

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch and wait for all of it.

        Args:
            job_overrides: of each job.
            initial_job_idx: number of the first job.
        """
        from lightune.study.executors.local.executor import Workers
        from lightune.study.executors.local.worker_handle import Slot
        from lightune.study.executors.run_batch import run_batch

        return run_batch(
            job_overrides,
            initial_job_idx,
            **self.handed_over,
            open_pool=lambda most, inheritance: Workers(
                [Slot() for _ in range(min(self.n_jobs, most))], inheritance=inheritance, owner="batch"
            ),
        )


@dataclass
class LocalLauncherConf:
    """The keys of `hydra.launcher`."""

    _target_: str = "hydra_plugins.hydra_lightune.launcher.LocalLauncher"
    n_jobs: int = 1


ConfigStore.instance().store(
    group="hydra/launcher", name="local", node=LocalLauncherConf, provider="hydra_lightune"
)
