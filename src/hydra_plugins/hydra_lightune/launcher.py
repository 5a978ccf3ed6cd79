"""`hydra/launcher=local`: warm processes on this machine, for any Hydra application and any sweeper.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from lightune.study.executors.launcher import ExecutorLauncher

if TYPE_CHECKING:
    from lightune.study.executors.context import ExecutorContext
    from lightune.study.executors.executor import Executor

__all__ = ["LocalLauncher", "LocalLauncherConf"]


class LocalLauncher(ExecutorLauncher):
    """Run jobs in processes that stay warm from one to the next.

    Args:
        n_jobs: jobs at the same time when another sweeper than lightune's launches a batch, > 0.
    """

    is_local = True

    def __init__(self, n_jobs: int = 1) -> None:
        self.n_jobs = n_jobs

    @classmethod
    def without_effect(cls, options: DictConfig) -> Iterator[tuple[str, str]]:
        """Yield `n_jobs`, which is of batches.

        Args:
            options: of `hydra.launcher`.
        """
        yield "hydra.launcher.n_jobs", "search.n_jobs says how many trials of a study run at the same time"

    def make_executor(self, context: "ExecutorContext") -> "Executor":
        """Start the worker processes.

        Args:
            context: what the trials belong to.

        Raises:
            ConfigError: if there are fewer devices than asked for.
        """
        from lightune.study.executors.local.open import open_executor

        return open_executor(context, n_jobs=self.n_jobs)


@dataclass
class LocalLauncherConf:
    """The keys of `hydra.launcher`."""

    _target_: str = "hydra_plugins.hydra_lightune.launcher.LocalLauncher"
    n_jobs: int = 1


ConfigStore.instance().store(
    group="hydra/launcher", name="local", node=LocalLauncherConf, provider="hydra_lightune"
)
