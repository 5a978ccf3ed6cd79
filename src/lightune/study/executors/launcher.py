"""The interface of a launcher that makes an executor of its own: all of lightune's are such.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from lightune.study.executors.context import ExecutorContext
    from lightune.study.executors.executor import Executor

__all__ = ["ExecutorLauncher"]


class ExecutorLauncher(Launcher):
    """A launcher whose executor runs a study's trials, and the batches of any other sweeper.

    A subclass makes the executor; that is all that it must do.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration of the multirun, and what its jobs run."""
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function

    @abstractmethod
    def make_executor(self, context: "ExecutorContext") -> "Executor":
        """Make what runs trials.

        Args:
            context: of a study or of a batch.

        Raises:
            ConfigError: if there is no place for a trial.
        """

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch and wait for all of it, for a sweeper that knows of no executor.

        Args:
            job_overrides: of each job.
            initial_job_idx: number of the first job.
        """
        from lightune.study.executors.run_batch import jobs_of, run_batch

        context = self.batch_context(len(job_overrides))
        return run_batch(jobs_of(job_overrides, initial_job_idx), lambda: self.make_executor(context))

    def batch_context(self, size: int) -> "ExecutorContext":
        """Return what the executor of a batch is made for.

        Args:
            size: jobs of the batch, > 0.
        """
        from lightune.study.executors.run_batch import batch_context

        return batch_context(
            size, config=self.config, hydra_context=self.hydra_context, task_function=self.task_function
        )
