"""`hydra/launcher=fused`: jobs that differ in numbers only train as one program.

Hydra imports this module at each start; it must not import torch or Lightning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from lightune.errors import Problem
from lightune.study.executors.launcher import ExecutorLauncher

if TYPE_CHECKING:
    from lightune.study.executors.context import ExecutorContext
    from lightune.study.executors.executor import Executor

__all__ = ["FusedLauncher", "FusedLauncherConf"]


class FusedLauncher(ExecutorLauncher):
    """Train jobs together where they are alike, and one by one where they are not.

    Args:
        fused_width: most jobs of a program, >= 2; None for as many as memory holds.
    """

    is_local = True

    def __init__(self, fused_width: int | None = None) -> None:
        self.fused_width = fused_width

    @classmethod
    def fuses(cls, options: DictConfig) -> bool:
        """Return True: that is what it is for.

        Args:
            options: of `hydra.launcher`.
        """
        return True

    @classmethod
    def problems(cls, options: DictConfig) -> Iterator[Problem]:
        """Refuse a width that is none.

        Args:
            options: of `hydra.launcher`.
        """
        width = options.fused_width
        if width is not None and (not isinstance(width, int) or isinstance(width, bool) or width < 2):
            rule = "must be a whole number >= 2, or null for as many as memory holds"
            yield Problem("hydra.launcher.fused_width", f"{rule}, got {width}")

    def make_executor(self, context: "ExecutorContext") -> "Executor":
        """Make what trains groups, in this process or in one for each device.

        Args:
            context: what the trials belong to.

        Raises:
            ConfigError: if there are fewer devices than asked for, or a trial is to have several.
        """
        from lightune.study.executors.fused.open import open_executor

        return open_executor(context, fused_width=self.fused_width)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch and wait for all of it; a job whose folder has a result is not run again.

        Args:
            job_overrides: of each job.
            initial_job_idx: number of the first job.
        """
        from lightune.study.executors.fused.repeated_batch import run_repeated_batch

        return run_repeated_batch(self, job_overrides, initial_job_idx)


@dataclass
class FusedLauncherConf:
    """The keys of `hydra.launcher`."""

    _target_: str = "hydra_plugins.hydra_lightune.fused.FusedLauncher"
    fused_width: Any = "${oc.select:search.fused_width,null}"


ConfigStore.instance().store(
    group="hydra/launcher", name="fused", node=FusedLauncherConf, provider="hydra_lightune"
)
