"""A trial that may train with others: what it must be like, how its folder is opened, how it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from weakref import WeakSet

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import TaskFunction
from omegaconf import DictConfig

from lightune.config.static.signatures import describe
from lightune.config.validate import find_problems
from lightune.errors import ConfigError, TrainingError, one_line
from lightune.job.task import failure_of, objectives_of, open_run_dir
from lightune.job.task import task as own_task
from lightune.runtime.disk import is_unwritable
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.ending import EndedBeforeError, end_of, require_not_ended
from lightune.study.executors.executor import Done, Job
from lightune.study.executors.worker.isolation import as_found
from lightune.study.hydra.composer import Composer, Composition
from lightune.study.hydra.run_job import folder_of, run_job
from lightune.study.outcome.attempts import has_room, make_room
from lightune.study.trial_folders import is_number_alone
from lightune.training.fused.group import GroupedJob, checkpoint_of
from lightune.training.resumption import reopen

__all__ = ["Candidate", "CandidateLifecycle", "CheckedFolders", "why_no_job"]

_describe = cache(describe)


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


@dataclass(eq=False)
class Candidate:
    """A trial that may train with others, and what has come of it.

    Args:
        job: the trial.
        made: its configuration.
        folder: where it writes.
        checkpoint: where it is resumed; None from scratch.

    Attributes:
        task: what it trains, once that is built.
        grouped_job: the member of a group that it is, once it is one.
        returned: what Hydra made of opening its folder.
        seconds: its share of the time that groups have trained.
    """

    job: Job
    made: Composition
    folder: Path
    checkpoint: Path | None = None
    task: object = None
    grouped_job: GroupedJob | None = None
    returned: JobReturn | None = None
    seconds: float = 0.0

    @property
    def cfg(self) -> DictConfig:
        """Its configuration, without Hydra's own node."""
        return self.made.task

    @property
    def number(self) -> int:
        """Its number."""
        return self.job.trial.number


class CheckedFolders:
    """Compositions of which one trial's folder was checked: those of other trials differ by the number alone."""

    def __init__(self) -> None:
        self._checked: WeakSet[object] = WeakSet()

    def __contains__(self, made: Composition) -> bool:
        return is_number_alone(made.whole) and made.base in self._checked

    def add(self, made: Composition) -> None:
        """Note that the folder of a trial is in order."""
        self._checked.add(made.base)


class CandidateLifecycle:
    """Makes, opens and ends candidates.

    Args:
        context: what the trials belong to.
    """

    def __init__(self, context: ExecutorContext) -> None:
        self._context = context
        self._composer = Composer(context.hydra_context.config_loader, context.config)
        self._checked = CheckedFolders()

    def make(self, job: Job) -> Candidate | None:
        """Return a trial as a candidate; None if it is refused, which it will say itself when it runs alone."""
        number, trial = job.trial.number, job.trial
        try:
            made = self._composer.compose_for_job(job.overrides)
            folder = folder_of(made, number)
            resumes = trial.resume and has_room(folder, trial.attempt)
            checkpoint = checkpoint_of(folder) if resumes else None
        except Exception:  # noqa: BLE001 - whatever it is, the trial meets it again by itself, and fails of it
            return None
        if find_problems(made.task, describe=_describe):
            return None
        return Candidate(job, made, folder, checkpoint)

    def open(self, candidate: Candidate) -> Done | None:
        """Write what Hydra writes for a job, and check its folder; return its end if it is refused or over."""
        job = candidate.job

        def begin(folder: Path) -> None:
            make_room(folder, job.trial.attempt)
            require_not_ended(job, folder, self._context.objectives)
            if job.trial.resume:
                reopen(folder)

        checked = candidate.made in self._checked
        try:
            with as_found():
                candidate.returned = run_job(
                    candidate.made,
                    number=candidate.number,
                    context=self._context.hydra_context,
                    task_function=partial(_begin_run, checked=checked),
                    started=begin,
                )
        except EndedBeforeError as ended:
            return ended.done
        except (OSError, ConfigError) as failure:
            return end_of(
                job,
                objectives=self._context.objectives,
                folder=candidate.folder,
                error=one_line(failure),
                unwritable=is_unwritable(failure),
            )
        if candidate.returned.status != JobStatus.COMPLETED:
            return self.end(candidate)
        self._checked.add(candidate.made)
        return None

    def grouped_job(self, candidate: Candidate, report: Callable[[int, int, float], bool]) -> GroupedJob:
        """Return a candidate as a member of a group.

        Args:
            candidate: whose folder is open.
            report: takes (number, epochs trained, value) and returns whether the trial should stop.
        """
        trial, last = candidate.job.trial, int(candidate.cfg.trainer.max_epochs)
        reported = trial.reported

        def report_epoch(number: int, epoch: int, value: float) -> bool:
            """Report as an ordinary trial does: what is trained to its end is complete."""
            trained = epoch + 1
            return reported <= trained < last and report(number, trained, value)

        candidate.grouped_job = GroupedJob(
            trial.number,
            candidate.cfg,
            candidate.folder,
            hparams=trial.hparams() if self._context.study is not None else None,
            report=report_epoch if trial.prunes else None,
            checkpoint=candidate.checkpoint,
        )
        return candidate.grouped_job

    def end(self, candidate: Candidate) -> Done:
        """Return the end of a candidate: what the same task would return, trained by itself."""
        returned, ending = candidate.returned, candidate.grouped_job.ending if candidate.grouped_job else None
        assert returned is not None
        if isinstance(ending, TrainingError):
            returned.return_value, returned.status = failure_of(ending), JobStatus.FAILED
        elif ending is not None:
            returned.return_value = objectives_of(ending, candidate.task, candidate.job.trial)  # type: ignore[arg-type]
        return end_of(
            candidate.job,
            objectives=self._context.objectives,
            folder=candidate.folder,
            returned=returned,
            seconds=candidate.seconds,
        )


def _begin_run(cfg: DictConfig, *, checked: bool) -> None:
    open_run_dir(cfg, follows=checked)
    cfg.test = False  # as every trial
