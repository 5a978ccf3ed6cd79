"""What an executor is made for: the trials of a study, or the jobs of another sweeper's batch.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.study.definition.settings import Objective, Settings

__all__ = ["ExecutorContext", "never_stop", "no_folder"]


def no_folder(number: int, folder: Path) -> None:
    """Take notice of a trial's folder, which nobody keeps."""


def never_stop(number: int, step: int, value: float) -> bool:
    """Return that a trial should not stop."""
    return False


@dataclass(frozen=True)
class ExecutorContext:
    """What the trials of an executor have in common.

    Args:
        config: of the multirun, with Hydra's own node.
        hydra_context: as Hydra hands it to a launcher.
        task_function: what a trial runs.
        settings: how the study searches; those of no study by default.
        n_left: trials that are still to run, > 0; more places than that are of no use.
        study: the study's folder; None for a batch, which is part of none.
        owner: the name of the driver's lease.
        batch_size: trials that are to train at the same time, > 0, unless a launcher or the settings say more.
        note_folder: called with a trial's number and folder before anything is written there.
        report: called with (number, step, value); returns whether the trial should stop.
    """

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction
    settings: Settings
    n_left: int
    study: Path | None = None
    owner: str = "batch"
    batch_size: int = 64
    note_folder: Callable[[int, Path], None] = no_folder
    report: Callable[[int, int, float], bool] = never_stop

    @property
    def objectives(self) -> Sequence[Objective] | None:
        """What the study is judged by; None for a batch, which nobody judges."""
        return self.settings.objectives if self.study is not None else None

    def most_at_once(self, fused_width: int | None) -> int:
        """Return how many trials one process takes at most where they train together.

        Args:
            fused_width: most members of a program, if the launcher bounds it.
        """
        return (
            self.n_left if self.study is None else self.settings.max_batch_size or fused_width or self.batch_size
        )

    @property
    def noun(self) -> str:
        """What messages call one of the trials."""
        return "trial" if self.study is not None else "job"
