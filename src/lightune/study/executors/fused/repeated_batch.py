"""A batch for another sweeper's multirun that may have been cut off before: it is continued, not begun again.

This module imports torch and Lightning only when it is called.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals

from lightune.errors import ConfigError, TrainingError, TrialError
from lightune.reporting.result import FILE_NAME, read_result
from lightune.study.executors.launcher import ExecutorLauncher
from lightune.study.executors.run_batch import jobs_of, run_batch
from lightune.study.hydra.composer import Composer, Composition
from lightune.study.hydra.run_job import folder_of
from lightune.study.outcome.outcome import is_final, read_status
from lightune.training.imports import import_training

__all__ = ["run_repeated_batch"]


def run_repeated_batch(
    launcher: ExecutorLauncher, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Run jobs, but for those whose folders have results; what was cut off is resumed where it was.

    Args:
        launcher: as Hydra has set it up.
        job_overrides: of each job.
        first: number of the first job.
    """
    import_training()
    setup_globals()
    hydra, whitelist = launcher.config.hydra, launcher.hydra_context.execution_whitelist
    configure_log(hydra.hydra_logging, hydra.verbose, whitelist)
    jobs = jobs_of(job_overrides, first)
    returns: dict[int, JobReturn] = {}
    if any(Path(str(hydra.sweep.dir)).glob("*/")):  # else nothing was run before
        composer = Composer(launcher.hydra_context.config_loader, launcher.config)
        for index, job in enumerate(jobs):
            number = job.trial.number
            made = composer.compose_for_job(job.overrides)
            folder = folder_of(made, number)
            if (returned := _returned_before(made, folder)) is not None:
                print(f"done   job {number}: {read_result(folder).status} before")
                returns[number] = returned
            elif _was_cut_off(made, folder):
                jobs[index] = replace(job, trial=replace(job.trial, resume=True))
    waiting = [job for job in jobs if job.trial.number not in returns]
    if waiting:
        context = launcher.batch_context(len(waiting))
        ran = run_batch(waiting, lambda: launcher.make_executor(context))
        returns.update(zip((job.trial.number for job in waiting), ran, strict=True))
    return [returns[job.trial.number] for job in jobs]


def _returned_before(made: Composition, folder: Path) -> JobReturn | None:
    """Return what a job returned that was run before; None if it is still to run."""
    if not (folder / FILE_NAME).is_file():
        return None
    try:
        result = read_result(folder)
    except ValueError:
        return None
    status = read_status(folder)
    if status is None or not is_final(status):
        return None
    returned = JobReturn(cfg=made.task, overrides=list(made.whole.hydra.overrides.task))
    if result.status == "failed":
        returned.return_value, returned.status = TrialError(str(TrainingError(result))), JobStatus.FAILED
    else:
        returned.return_value, returned.status = result.objective.value, JobStatus.COMPLETED
    return returned


def _was_cut_off(made: Composition, folder: Path) -> bool:
    """Return True if a folder has a checkpoint of the same job."""
    from lightune.training.fused.group import checkpoint_of
    from lightune.training.resumption import load_run_config

    try:
        before = load_run_config(folder)
        before.test = False  # which a job is told after its configuration was written
        made.task.test = False
        return bool(before == made.task) and checkpoint_of(folder) is not None
    except ConfigError:
        return False
