"""Which multiruns have jobs that lightune may train together."""

from hydra.types import TaskFunction
from omegaconf import DictConfig

from lightune.job.task import task as own_task

__all__ = ["why_no_job"]


def why_no_job(config: DictConfig, task: TaskFunction) -> str | None:
    """Say in one line why no job of a multirun can be fused; None if some may be.

    Args:
        config: of the multirun.
        task: what a job runs.
    """
    if task is not own_task:
        return "the application is not lightune's, whose trainings are known"
    if config.hydra.job.chdir:
        return "hydra.job.chdir=true is for one job at a time"
    for key, node in (config.hydra.callbacks or {}).items():
        if node.get("_target_") != "lightune.cli.preflight.Preflight":
            return f"hydra.callbacks.{key} watches every job"
    return None
