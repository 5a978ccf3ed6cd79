"""`hydra/launcher=fused`: jobs that differ in numbers only train as one program.

Hydra imports this module at each start; it must not import torch or Lightning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn

from lightune.study.executors.launcher import KeepingLauncher
from lightune.training.imports import import_training

__all__ = ["FusedLauncher", "FusedLauncherConf"]


class FusedLauncher(KeepingLauncher):
    """Train jobs together where they are alike, and one by one where they are not.

    Args:
        fused_width: most jobs of a program, >= 2; None for as many as memory holds.
    """

    fused = True

    def __init__(self, fused_width: int | None = None) -> None:
        self.fused_width = fused_width

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch and wait for all of it.

        Args:
            job_overrides: of each job.
            initial_job_idx: number of the first job.
        """
        import_training()
        from lightune.engine.launch import launch

        return launch(
            job_overrides,
            initial_job_idx,
            **self.handed_over,
            fused_width=self.fused_width,
        )


@dataclass
class FusedLauncherConf:
    """The keys of `hydra.launcher`."""

    _target_: str = "hydra_plugins.hydra_lightune.fused.FusedLauncher"
    fused_width: Any = "${oc.select:search.fused_width,null}"


ConfigStore.instance().store(
    group="hydra/launcher", name="fused", node=FusedLauncherConf, provider="hydra_lightune"
)
