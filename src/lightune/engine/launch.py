"""Launch a batch of jobs: what differs in numbers only trains as one program, the rest as ordinary runs."""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from lightune.config.static.signatures import describe
from lightune.config.validate import find_problems
from lightune.errors import ConfigError, TrainingError
from lightune.job.folders import job_config
from lightune.reporting.provenance import one_look_at_the_code
from lightune.reporting.result import FILE_NAME, read_result
from lightune.runtime.quiet import quiet
from lightune.study.executors.fused.eligible import why_no_job
from lightune.study.hydra.composer import Composer
from lightune.training.fused.build_loop import device_of
from lightune.training.fused.group import Entrant, Together, checkpoint_of, spans
from lightune.training.fused.planner import Group, plan
from lightune.training.resumption import load_run_config

__all__ = ["launch"]

log = logging.getLogger(__name__)

_describe = functools.cache(describe)
_FINAL = ("completed", "early_stopped", "pruned", "failed")


@dataclass
class _Job:
    """One job of the batch.

    Args:
        number: in its sweep.
        config: as composed, with Hydra's own node.
        cfg: the same without it.
        folder: where it writes.
        returned: what came of it, once that is known.
    """

    number: int
    config: DictConfig
    cfg: DictConfig
    folder: Path
    returned: JobReturn | None = field(default=None)


def launch(
    job_overrides: Sequence[Sequence[str]],
    first: int,
    *,
    config: DictConfig,
    hydra_context: HydraContext,
    task_function: TaskFunction,
    fused_width: int | None = None,
    say: Callable[[str], None] = print,
) -> list[JobReturn]:
    """Run a batch of jobs and wait for all of it.

    A job whose folder has a result is not run again.

    Args:
        job_overrides: of each job.
        first: number of the first job.
        config: of the multirun.
        hydra_context: as Hydra hands it to a launcher.
        task_function: what a job runs.
        fused_width: most members of a program, >= 2; by default as many as memory holds.
        say: takes each line about what trains how.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose, hydra_context.execution_whitelist)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    batch = _Batch(config, hydra_context, task_function, say)
    jobs = [batch.compose(list(overrides), first + index) for index, overrides in enumerate(job_overrides)]
    for job in jobs:
        job.returned = batch.already_done(job)
    waiting = [job for job in jobs if job.returned is None]
    fusable = batch.divide(waiting)
    if fusable:
        device = device_of(fusable[0].cfg)
        with quiet(verbose=False):
            made = plan([job.cfg for job in fusable], device=device, fused_width=fused_width)
        for index, reason in sorted(made.alone.items()):
            say(f"alone  job {fusable[index].number}: {reason}")
        for group in made.groups:
            members = [fusable[index] for index in group.indices]
            say(f"fused  {len(members)} jobs as one program on {device}: {spans([job.number for job in members])}")
            batch.train_together(members, group, device=device)
    for job in jobs:
        if job.returned is None:
            job.returned = batch.run_alone(job)
    return [job.returned for job in jobs if job.returned is not None]


class _Batch:
    def __init__(
        self, config: DictConfig, context: HydraContext, task: TaskFunction, say: Callable[[str], None]
    ) -> None:
        self._config, self._context, self._task, self._say = config, context, task, say
        self._composer = Composer(context.config_loader, config)

    def compose(self, overrides: list[str], number: int) -> _Job:
        """Compose a job as Hydra's own launcher does."""
        config = self._composer.compose(overrides)
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        before = HydraConfig.instance().cfg
        HydraConfig.instance().cfg = config  # type: ignore[assignment]  # which names of folders may ask
        folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        HydraConfig.instance().cfg = before
        return _Job(number, config, job_config(config), folder)

    def already_done(self, job: _Job) -> JobReturn | None:
        """Return what came of a job that was run before; None if it is still to run."""
        if not (job.folder / FILE_NAME).is_file():
            return None
        try:
            result = read_result(job.folder)
        except ValueError:
            return None
        if result.status not in _FINAL:
            return None
        self._say(f"done   job {job.number}: {result.status} before")
        returned = JobReturn(cfg=job.cfg, overrides=list(job.config.hydra.overrides.task))
        if result.status == "failed":
            returned.return_value, returned.status = TrainingError(result), JobStatus.FAILED
        else:
            returned.return_value, returned.status = result.objective.value, JobStatus.COMPLETED
        return returned

    def divide(self, jobs: list[_Job]) -> list[_Job]:
        """Return the jobs that may be planned together; say why the others may not."""
        if reason := why_no_job(self._config, self._task):
            for job in jobs:
                self._say(f"alone  job {job.number}: {reason}")
            return []
        sound = []
        for job in jobs:
            job.cfg.test = False  # as every job of a search
            if find_problems(job.cfg, describe=_describe):
                self._say(f"alone  job {job.number}: its configuration is refused")
            else:
                sound.append(job)
        return sound

    def run_alone(self, job: _Job) -> JobReturn:
        """Run a job as Hydra's own launcher does."""
        try:
            return self._run(job, self._task)
        finally:
            configure_log(
                self._config.hydra.hydra_logging, self._config.hydra.verbose, self._context.execution_whitelist
            )

    def _run(self, job: _Job, task: TaskFunction) -> JobReturn:
        return run_job(
            hydra_context=self._context,
            task_function=task,
            config=job.config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )

    def train_together(self, jobs: list[_Job], group: Group, *, device: str) -> None:
        """Train a group; leave in each job what came of it."""
        from lightune.job.task import open_run_dir

        entrants: dict[int, Entrant] = {}
        for place, job in enumerate(jobs):
            checkpoint = _checkpoint_of(job)
            job.returned = self._run(job, lambda cfg: open_run_dir(cfg) and None)
            if job.returned.status == JobStatus.COMPLETED:
                entrants[place] = Entrant(job.number, job.cfg, job.folder, checkpoint=checkpoint)
        with one_look_at_the_code(), quiet(verbose=False):
            Together(list(entrants.values()), group, list(entrants), device=device).train()
        for place, entrant in entrants.items():
            returned, ending = jobs[place].returned, entrant.ending
            assert returned is not None
            if isinstance(ending, TrainingError):
                returned.return_value, returned.status = ending, JobStatus.FAILED
            elif ending is not None:
                returned.return_value = ending.objective.value


def _checkpoint_of(job: _Job) -> Path | None:
    """Return the checkpoint of the same job, cut off before; None if it begins, or its checkpoint is of no use."""
    try:
        before = load_run_config(job.folder)
        before.test = job.cfg.test  # which a job is told after its configuration was written
        return checkpoint_of(job.folder) if before == job.cfg else None
    except ConfigError:
        return None
