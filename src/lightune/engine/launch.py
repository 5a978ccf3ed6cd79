"""Launch a batch of jobs: what differs in numbers only trains as one program, the rest as ordinary runs."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from lightune.callbacks import Interruption
from lightune.cli.folders import job_config
from lightune.config.validate import find_problems
from lightune.engine.fused import EpochEnd, FusedLoop, Member
from lightune.engine.member_run import MemberRun
from lightune.engine.plan import Group, plan
from lightune.errors import StopRequested
from lightune.quiet import quiet
from lightune.reporting.result import FILE_NAME, read_result
from lightune.run import TrainingError

__all__ = ["Report", "launch"]

log = logging.getLogger(__name__)

Report = Callable[[int, int, float], bool]
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
    report: Report | None = None,
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
        report: takes a job's number, an epoch from 0 and the monitored value; tells whether that job shall stop.
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
        device = _device(fusable[0])
        with quiet(verbose=False):
            made = plan([job.cfg for job in fusable], device=device, fused_width=fused_width)
        for index, reason in sorted(made.alone.items()):
            say(f"alone  job {fusable[index].number}: {reason}")
        for group in made.groups:
            members = [fusable[index] for index in group.indices]
            say(f"fused  {len(members)} jobs as one program on {device}: {_numbers(members)}")
            batch.train_together(members, group, device=device, report=report)
    for job in jobs:
        if job.returned is None:
            job.returned = batch.run_alone(job)
    return [job.returned for job in jobs if job.returned is not None]


class _Batch:
    def __init__(
        self, config: DictConfig, context: HydraContext, task: TaskFunction, say: Callable[[str], None]
    ) -> None:
        self._config, self._context, self._task, self._say = config, context, task, say

    def compose(self, overrides: list[str], number: int) -> _Job:
        """Compose a job as Hydra's own launcher does."""
        config = self._context.config_loader.load_sweep_config(self._config, overrides)
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(config)  # which names of folders may ask
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
        if reason := self._why_none():
            for job in jobs:
                self._say(f"alone  job {job.number}: {reason}")
            return []
        sound = []
        for job in jobs:
            job.cfg.test = False  # as every job of a search
            if find_problems(job.cfg):
                self._say(f"alone  job {job.number}: its configuration is refused")
            else:
                sound.append(job)
        return sound

    def _why_none(self) -> str | None:
        from lightune.cli import train

        if self._task is not train.task:
            return "the application is not lightune's, whose trainings are known"
        if self._config.hydra.job.chdir:
            return "hydra.job.chdir=true is for one job at a time"
        for key, node in (self._config.hydra.callbacks or {}).items():
            if node.get("_target_") != "lightune.cli.preflight.Preflight":
                return f"hydra.callbacks.{key} watches every job"
        return None

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

    def train_together(self, jobs: list[_Job], group: Group, *, device: str, report: Report | None) -> None:
        """Train a group; leave in each job what came of it."""
        from lightune.cli.train import open_run_dir

        for job in jobs:
            job.returned = self._run(job, lambda cfg: open_run_dir(cfg) and None)
        done = JobStatus.COMPLETED
        opened = [index for index, job in enumerate(jobs) if job.returned and job.returned.status == done]
        together = _Together([jobs[index] for index in opened], group, opened, device=device, report=report)
        with quiet(verbose=False):
            together.train()


class _Together:
    """The runs of one group while it is trained."""

    def __init__(
        self, jobs: list[_Job], group: Group, places: list[int], *, device: str, report: Report | None
    ) -> None:
        members = [group.members[place] for place in places]
        self._runs: dict[Member, MemberRun] = {}
        self._jobs: dict[Member, _Job] = dict(zip(members, jobs, strict=True))
        for member, place in zip(members, places, strict=True):
            job = self._jobs[member]
            self._runs[member] = MemberRun(
                job.number, job.cfg, group.parts[place], member, run_dir=job.folder, report=report
            )
        cfg = jobs[0].cfg
        double = str(cfg.trainer.get("precision", "auto")).startswith("64")
        self._loop = FusedLoop(
            members,
            max_epochs=cfg.trainer.max_epochs,
            monitor=cfg.monitor.metric,
            mode=cfg.monitor.mode,
            on_epoch_start=lambda member, epoch: self._runs[member].epoch_starts(epoch),
            on_epoch_end=self._epoch_ends,
            on_member_end=self._end,
            dtype=torch.float64 if double else torch.float32,
            device=device,
        )

    def train(self) -> None:
        """Train all of them; a signal leaves those under way as interrupted."""
        interruption = Interruption()
        try:
            with interruption.watching():
                for run in self._runs.values():
                    run.start(self._loop)
                self._loop.fit()
        except (KeyboardInterrupt, StopRequested):
            for member, run in self._runs.items():
                if member.ending is None:
                    run.interrupt()
            sys.exit(interruption.exit_code)

    def _epoch_ends(self, end: EpochEnd) -> bool:
        return self._runs[end.member].epoch_ends(end)

    def _end(self, member: Member) -> None:
        returned = self._jobs[member].returned
        assert returned is not None
        try:
            returned.return_value = self._runs[member].end().objective.value
        except TrainingError as error:
            returned.return_value, returned.status = error, JobStatus.FAILED


def _device(job: _Job) -> str:
    wanted = job.cfg.trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")
    return "cuda" if wanted and torch.cuda.is_available() else "cpu"


def _numbers(jobs: Sequence[_Job]) -> str:
    """Return job numbers in a readable form: 0-3, 7."""
    spans: list[list[int]] = []
    for number in sorted(job.number for job in jobs):
        if spans and spans[-1][-1] + 1 == number:
            spans[-1][-1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)
