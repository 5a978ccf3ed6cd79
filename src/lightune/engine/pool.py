"""A study's trials in batches: those that differ in numbers only train as one program, the rest one by one.

What can train together is judged as `lightune.engine.launch` judges it; what cannot is an ordinary trial in the
sweeper's own process.
"""

import gc
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.cli.folders import job_config
from lightune.cli.train import objectives_of, open_run_dir
from lightune.config.validate import find_problems
from lightune.engine.plan import Group, plan
from lightune.engine.together import Entrant, Together, device_of, spans, why_no_job
from lightune.errors import TrialError
from lightune.quiet import quiet
from lightune.resumption import reopen
from lightune.run import TrainingError
from lightune.study.attempts import make_room
from lightune.study.clean import as_found
from lightune.study.composer import Composer, Composition
from lightune.study.conclude import signal_of
from lightune.study.inprocess import InProcess
from lightune.study.job import run_job
from lightune.study.pools import Done, Event, Job, Started

__all__ = ["FusedPool"]


@dataclass
class _Candidate:
    """A trial that may be trained with others: its configuration for the plan, and for its files."""

    job: Job
    cfg: DictConfig
    made: Composition

    @property
    def number(self) -> int:
        return self.job.trial.number


class FusedPool:
    """What `hydra/launcher=fused` means in a study.

    Args:
        config: of the multirun.
        context: as Hydra hands it to a launcher.
        task_function: what a trial runs.
        alone: runs the trials that cannot train with others.
        size: most trials of a batch, > 0.
        fused_width: most members of a program, >= 2; None for as many as memory holds.
        folder_of: tells where a trial will write, without running it.
        report: takes (number, epochs trained, value) and tells whether the trial should stop.
        reported: tells how many epochs an earlier start of a trial has reported.
    """

    def __init__(
        self,
        config: DictConfig,
        *,
        context: HydraContext,
        task_function: TaskFunction,
        alone: InProcess,
        size: int,
        fused_width: int | None,
        folder_of: Callable[[Job], Path],
        report: Callable[[int, int, float], bool],
        reported: Callable[[int], int],
    ) -> None:
        self._config, self._context, self._task_function = config, context, task_function
        self._alone, self._size, self._fused_width = alone, size, fused_width
        self._folder_of, self._report, self._reported = folder_of, report, reported
        self._composer = Composer(context.config_loader, config)
        self._jobs: list[Job] = []
        self._folders: dict[int, Path] = {}
        self._left: deque[tuple[list[Job], Callable[[], Sequence[Event]]]] = deque()
        self._stopped = self._runs = False

    def free(self) -> int:
        """Return how many trials the batch still lacks; none while one is under way."""
        return 0 if self._left else max(0, self._size - len(self._jobs))

    def submit(self, job: Job) -> None:
        """Put a trial into the next batch."""
        self._jobs.append(job)

    def wait(self, seconds: float) -> Sequence[Event]:
        """Take the next step of the batch: look at it, train a group, or run one trial by itself."""
        if self._jobs and not self._left:
            jobs, self._jobs = sorted(self._jobs, key=lambda job: job.trial.number), []
            self._left.append((jobs, partial(self._begin, jobs)))
        if not self._left:
            time.sleep(seconds)
            return []
        jobs, step = self._left.popleft()
        if not self._stopped:
            try:
                with self._running():
                    return step()
            except KeyboardInterrupt:
                pass
        return [Done(job.trial.number, None, 0.0, interrupted=True) for job in jobs]

    def _begin(self, jobs: list[Job]) -> Sequence[Event]:
        """Sort out what is never fused; tell where the rest will write before anything is written there."""
        candidates: list[_Candidate] = []
        reason = why_no_job(self._config, self._task_function)
        for job in jobs:
            if reason or not (candidate := self._candidate(job)):
                self._run_alone(job, reason or "its configuration is refused")
            else:
                candidates.append(candidate)
        if candidates:
            mine = [candidate.job for candidate in candidates]
            self._left.appendleft((mine, partial(self._plan, candidates)))
        return [Started(candidate.number, self._folders[candidate.number]) for candidate in candidates]

    def _candidate(self, job: Job) -> _Candidate | None:
        try:
            made = self._composer.compose_for_job(job.overrides)
            self._folders[job.trial.number] = self._folder_of(job).absolute()
        except Exception:  # noqa: BLE001 - whatever it is, the trial meets it again by itself, and fails of it
            return None
        cfg = job_config(made.whole)
        cfg.test = False  # as every trial
        return None if find_problems(cfg) else _Candidate(job, cfg, made)

    def _plan(self, candidates: list[_Candidate]) -> Sequence[Event]:
        device = device_of(candidates[0].cfg)
        with as_found(), quiet(verbose=False):
            configs = [candidate.cfg for candidate in candidates]
            made = plan(configs, device=device, fused_width=self._fused_width)
        for index, reason in sorted(made.alone.items()):
            self._run_alone(candidates[index].job, reason)
        for group in reversed(made.groups):
            members = [candidates[index] for index in group.indices]
            step = partial(self._train, members, group, device)
            self._left.appendleft(([member.job for member in members], step))
        return []

    def _run_alone(self, job: Job, reason: str) -> None:
        print(f"alone  trial {job.trial.number}: {reason}")

        def run() -> Sequence[Event]:
            self._alone.submit(job)
            return self._alone.wait(0.0)

        self._left.append(([job], run))

    def _train(self, members: list[_Candidate], group: Group, device: str) -> Sequence[Event]:
        """Train a group; each trial of it ends by itself."""
        numbers = spans([member.number for member in members])
        print(f"fused  {len(members)} trials as one program on {device}: {numbers}")
        began = time.perf_counter()
        returns = [self._open(member) for member in members]
        sound = [place for place, returned in enumerate(returns) if returned.status == JobStatus.COMPLETED]
        entrants = {place: self._entrant(members[place]) for place in sound}
        error: str | None = None
        try:
            if entrants:
                with as_found(), quiet(verbose=False):
                    Together(list(entrants.values()), group, list(entrants), device=device).train()
        except SystemExit as stop:
            taken = [signal_of(stop, entrant.folder) for entrant in entrants.values() if entrant.ending is None]
            if signals := [number for number in taken if number is not None]:
                self._runs = False
                signal.raise_signal(signals[0])  # the sweeper must hear of it too
                self._stopped = True
        except Exception as failure:  # noqa: BLE001 - what breaks the program is found out by each trial alone
            error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
        seconds = (time.perf_counter() - began) / len(members)
        events: list[Event] = []
        for place, member in enumerate(members):
            entrant = entrants.get(place)
            if entrant is not None and entrant.ending is None and error is not None:
                again = replace(member.job, trial=replace(member.job.trial, resume=True))
                self._run_alone(again, f"its program ended with {error}")
            elif entrant is not None and entrant.ending is None:
                events.append(Done(member.number, None, seconds, interrupted=True))
            else:
                if entrant is not None:
                    _conclude(returns[place], entrant, group.parts[place].task, member.job)
                events.append(Done(member.number, returns[place], seconds))
        group.members.clear()
        group.parts.clear()
        gc.collect()  # trainers and their callbacks hold each other
        return events

    def _open(self, member: _Candidate) -> JobReturn:
        """Write what Hydra writes for a job, and see to it that the folder is fit for it."""
        job = member.job

        def begin(folder: Path) -> None:
            make_room(folder, job.attempt)
            if job.trial.resume:
                reopen(folder)

        with as_found():
            return run_job(
                member.made,
                number=member.number,
                job_id=str(member.number),
                context=self._context,
                task_function=lambda cfg: open_run_dir(cfg) and None,
                started=begin,
            )

    def _entrant(self, member: _Candidate) -> Entrant:
        trial, last = member.job.trial, int(member.cfg.trainer.max_epochs)
        heard = self._reported(trial.number) if trial.resume and trial.prunes else 0

        def report(number: int, epoch: int, value: float) -> bool:
            """Report as an ordinary trial does: what is trained to its end is complete."""
            trained = epoch + 1
            return heard <= trained < last and self._report(number, trained, value)

        return Entrant(
            trial.number,
            member.cfg,
            self._folders[trial.number],
            hparams=trial.hparams(),
            report=report if trial.prunes else None,
        )

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._runs = True
        try:
            yield
        finally:
            self._runs = False

    def interrupt(self) -> None:
        """Stop what runs: this is called where the signal came in."""
        self._stopped = True
        self._alone.interrupt()
        if self._runs:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Do nothing: there is no process of ours."""


def _conclude(returned: JobReturn, entrant: Entrant, task: object, job: Job) -> None:
    """Let a job return what the same task would, trained by itself."""
    if isinstance(entrant.ending, TrainingError):
        returned.return_value, returned.status = TrialError(str(entrant.ending)), JobStatus.FAILED
    elif entrant.ending is not None:
        returned.return_value = objectives_of(entrant.ending, task, job.trial)  # type: ignore[arg-type]
