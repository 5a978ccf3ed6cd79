"""The interface of a launcher that makes an executor of its own: all of lightune's are such.

Hydra imports this module at each start; it must not import Optuna, torch or Lightning.
"""

import sys
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from lightune.errors import Problem
    from lightune.study.executors.context import ExecutorContext
    from lightune.study.executors.executor import Executor

__all__ = ["ExecutorLauncher", "launcher_of"]


class ExecutorLauncher(Launcher):
    """A launcher whose executor runs a study's trials, and the batches of any other sweeper.

    A subclass makes the executor; that is all that it must do. What else the command line has to know of it
    before there is one, its class says: it is asked by the options of `hydra.launcher`, and makes nothing.
    """

    is_local: ClassVar[bool] = False
    """Whether it needs nothing but this machine: `best.yaml` of a study goes on with it then."""

    @classmethod
    def fuses(cls, options: DictConfig) -> bool:
        """Return True if trials train as one program where they can.

        Args:
            options: of `hydra.launcher`.
        """
        return False

    @classmethod
    def problems(cls, options: DictConfig) -> "Iterator[Problem]":
        """Yield what is wrong with the options, beside what Hydra finds.

        Args:
            options: of `hydra.launcher`.
        """
        yield from ()

    @classmethod
    def without_effect(cls, options: DictConfig) -> Iterator[tuple[str, str]]:
        """Yield the keys of options that a study has no use for, each with what decides instead.

        Args:
            options: of `hydra.launcher`.
        """
        yield from ()

    @classmethod
    def require_reachable(cls, options: DictConfig) -> None:
        """Refuse what cannot be reached, before a study is begun.

        Args:
            options: of `hydra.launcher`.

        Raises:
            ConfigError: if there is nothing that could run a trial.
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


def launcher_of(config: DictConfig) -> type[ExecutorLauncher] | None:
    """Return the class of a multirun's launcher; None if it makes no executor of its own.

    Nothing is imported: Hydra has imported its plugins.

    Args:
        config: with Hydra's own node.
    """
    module, _, name = str(OmegaConf.select(config, "hydra.launcher._target_")).rpartition(".")
    named = getattr(sys.modules.get(module), name, None)
    return named if isinstance(named, type) and issubclass(named, ExecutorLauncher) else None
