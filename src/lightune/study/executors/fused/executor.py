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
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from lightune.config.static.signatures import describe
from lightune.config.validate import find_problems
from lightune.errors import TrainingError, TrialError
from lightune.job.task import objectives_of, open_run_dir
from lightune.reporting.provenance import one_look_at_the_code
from lightune.runtime.quiet import quiet
from lightune.study.executors.executor import Done, Event, Job, Started
from lightune.study.executors.fused.eligible import why_no_job
from lightune.study.executors.worker.isolation import as_found
from lightune.study.hydra.composer import Composer, Composition
from lightune.study.hydra.run_job import folder_of, run_job
from lightune.study.outcome.attempts import has_room, make_room
from lightune.study.outcome.judge import signal_of
from lightune.study.outcome.outcome import Outcome
from lightune.training.fit import no_driver_loaded
from lightune.training.fused.build_loop import device_of
from lightune.training.fused.compatibility import check_supported, structure
from lightune.training.fused.equivalence import Variant, is_verified, variants_of
from lightune.training.fused.group import Entrant, Together, checkpoint_of, spans
from lightune.training.fused.planner import Group, Known, build_member, plan
from lightune.training.resumption import reopen

__all__ = ["FusedPool"]

_describe = cache(describe)


@dataclass(eq=False)
class _Candidate:
    """A trial that may be trained with others, and what has come of it."""

    job: Job
    made: Composition
    checkpoint: Path | None = None
    entrant: Entrant | None = None
    task: object = None
    returned: JobReturn | None = None
    seconds: float = 0.0

    @property
    def cfg(self) -> DictConfig:
        return self.made.task

    @property
    def number(self) -> int:
        return self.job.trial.number


@dataclass(eq=False)
class _UnderWay:
    """A group that is trained, and who is in it."""

    structure: str
    known: Known
    kinds: frozenset[Variant]
    candidates: list[_Candidate] = field(default_factory=list)
    together: Together | None = None


class Alone(Protocol):
    """What runs a trial that cannot train with others, in the same process."""

    def submit(self, job: Job) -> None:
        """Keep a trial until `wait`."""

    def wait(self, seconds: float) -> Sequence[Event]:
        """Run it to its end."""

    def interrupt(self) -> None:
        """Stop it: this is called where the signal came in."""


class FusedPool:
    """What `hydra/launcher=fused` means in a study.

    Args:
        config: of the multirun.
        context: as Hydra hands it to a launcher.
        task_function: what a trial runs.
        alone: runs the trials that cannot train with others.
        size: most trials of a batch, > 0.
        fused_width: most members of a program, >= 2; None for as many as memory holds.
        report: takes (number, epochs trained, value) and tells whether the trial should stop.
        ended: reads how the trial of a folder ended; None if it did not.
    """

    def __init__(
        self,
        config: DictConfig,
        *,
        context: HydraContext,
        task_function: TaskFunction,
        alone: Alone,
        size: int,
        fused_width: int | None,
        report: Callable[[int, int, float], bool],
        ended: Callable[[Path], Outcome | None] = lambda folder: None,
    ) -> None:
        self._ended = ended
        self._config, self._context, self._task_function = config, context, task_function
        self._alone, self._size, self._fused_width = alone, size, fused_width
        self._report = report
        self._composer = Composer(context.config_loader, config)
        self._jobs: list[Job] = []
        self._open_jobs: dict[int, Job] = {}
        self._folders: dict[int, Path] = {}
        self._judged: set[int] = set()
        self._candidates: list[_Candidate] = []
        self._left: deque[tuple[list[Job], Callable[[], Sequence[Event]]]] = deque()
        self._known: dict[str, Known] = {}
        self._group: _UnderWay | None = None
        self._stopped = self._runs = False

    def free(self) -> int:
        """Return how many trials are wanted: those that end leave their places to others."""
        return max(0, self._size - len(self._open_jobs))

    def submit(self, job: Job) -> None:
        """Put a trial among those that train next."""
        self._jobs.append(job)
        self._open_jobs[job.trial.number] = job

    def wait(self, seconds: float) -> Sequence[Event]:
        """Take the next step: look at new trials, train a group for an epoch, or run one trial by itself."""
        if not self._open_jobs:
            time.sleep(seconds)
            return []
        if self._stopped:
            events = self._let_go()
        else:
            try:
                with self._running():
                    events = list(self._step())
            except KeyboardInterrupt:
                self._stopped = True
                events = self._let_go()
        for event in events:
            if isinstance(event, Done):
                self._open_jobs.pop(event.number)
        return events

    def _step(self) -> Sequence[Event]:
        if self._jobs:
            jobs, self._jobs = sorted(self._jobs, key=lambda job: job.trial.number), []
            return self._begin(jobs)
        if self._group is not None:
            events: list[Event] = self._join(self._group)
            if self._group is not None and self._group.candidates:
                return [*events, *self._round(self._group)]
            self._group = None  # nobody came
            gc.collect()  # trainers and their callbacks hold each other
            if events:
                return events
        if self._candidates and not self._left:  # they may find a place in what is left
            self._plan()
        if not self._left:
            return []
        _, step = self._left.popleft()
        return step()

    def _let_go(self) -> list[Event]:
        """Give back all that has not ended; what trains together saves first."""
        if self._group is not None and self._group.together is not None:
            self._group.together.stop()
        self._jobs, self._candidates, self._group = [], [], None
        self._left.clear()
        return [Done(number, None, 0.0, interrupted=True) for number in self._open_jobs]

    def _begin(self, jobs: list[Job]) -> Sequence[Event]:
        """Sort out what is never fused; tell where the rest will write before anything is written there."""
        began: list[Event] = []
        reason = why_no_job(self._config, self._task_function)
        for job in jobs:
            ended = "the process died in which it trained with others" if job.alone else None
            candidate = None if reason or ended else self._candidate(job)
            if candidate is None:
                self._run_alone(job, reason or ended or "its configuration is refused")
            else:
                self._candidates.append(candidate)
                began.append(Started(job.trial.number, self._folders[job.trial.number]))
        return began

    def _candidate(self, job: Job) -> _Candidate | None:
        number = job.trial.number
        try:
            made = self._composer.compose_for_job(job.overrides)
            self._folders[number] = folder_of(made, number, str(number))
            goes_on = job.trial.resume and has_room(self._folders[number], job.attempt)
            checkpoint = checkpoint_of(self._folders[number]) if goes_on else None
        except Exception:  # noqa: BLE001 - whatever it is, the trial meets it again by itself, and fails of it
            return None
        if find_problems(made.task, describe=_describe):
            return None
        return _Candidate(job, made, checkpoint)

    def _plan(self) -> None:
        """Divide all that wait into groups, and those that train alone."""
        candidates, self._candidates = self._candidates, []
        device = device_of(candidates[0].cfg)
        with as_found(), quiet(verbose=False), no_driver_loaded():
            configs = [candidate.cfg for candidate in candidates]
            made = plan(configs, device=device, fused_width=self._fused_width, known=self._known)
        for index, reason in sorted(made.alone.items()):
            self._run_alone(candidates[index].job, reason)
        for group in reversed(made.groups):
            members = [candidates[index] for index in group.indices]
            step = partial(self._open_group, members, group, device)
            self._left.appendleft(([member.job for member in members], step))

    def _open_group(self, candidates: list[_Candidate], group: Group, device: str) -> Sequence[Event]:
        """Begin a group."""
        numbers = spans([candidate.number for candidate in candidates])
        print(f"fused  {len(candidates)} trials as one program on {device}: {numbers}")
        under_way = _UnderWay(structure(_plain(candidates[0].cfg)), group.known, variants_of(group.members))
        events: list[Event] = []
        for place, candidate in enumerate(candidates):
            if (refused := self._open(candidate)) is not None:
                events.append(refused)
            else:
                candidate.task = group.parts[place].task
                under_way.candidates.append(candidate)
        sound = [place for place, candidate in enumerate(candidates) if candidate in under_way.candidates]
        if sound:
            self._group = under_way
            entrants = [self._entrant(candidate) for candidate in under_way.candidates]
            with self._breaking_only(under_way) as broken, as_found(), quiet(verbose=False):
                under_way.together = Together(entrants, group, sound, device=device)
            events += broken
        return events

    def _join(self, group: "_UnderWay") -> list[Event]:
        """Let those that wait take the places of those that have ended, if they are of the group's structure."""
        events: list[Event] = []
        joined: list[int] = []
        for candidate in list(self._candidates):
            if group.together is None or not group.together.vacant:
                break
            tree = _plain(candidate.cfg)
            if check_supported(tree) or structure(tree) != group.structure:
                continue
            with as_found(), quiet(verbose=False):
                built = build_member(candidate.cfg, group.known)
                if isinstance(built, str) or not group.together.takes(built[0]):
                    continue
                kinds = group.kinds | variants_of([built[0]])
                if not is_verified(kinds, group.known.verified):
                    continue
            group.kinds = kinds
            self._candidates.remove(candidate)
            if (refused := self._open(candidate)) is not None:
                events.append(refused)
                continue
            candidate.task = built[1].task
            group.candidates.append(candidate)
            with self._breaking_only(group) as broken, as_found(), quiet(verbose=False):
                group.together.admit(self._entrant(candidate), *built)
            joined.append(candidate.number)
            events += broken
        if joined:
            print(f"fused  {len(joined)} more in free places: {spans(joined)}")
        return events

    def _round(self, group: "_UnderWay") -> Sequence[Event]:
        """Train a group for an epoch; each trial of it ends by itself."""
        if group.together is None or self._group is not group:
            return []
        began = time.perf_counter()
        with self._breaking_only(group) as broken, as_found(), quiet(verbose=False), one_look_at_the_code():
            group.together.round()
        share = (time.perf_counter() - began) / max(1, len(group.candidates))
        events: list[Event] = list(broken)
        for candidate in list(group.candidates):
            candidate.seconds += share
            if candidate.entrant is not None and candidate.entrant.ending is not None:
                group.candidates.remove(candidate)
                events.append(_conclude(candidate))
        return events

    @contextmanager
    def _breaking_only(self, group: "_UnderWay") -> Iterator[list[Event]]:
        """Let what breaks a program break only that: its trials go on one by one, or are interrupted with it."""
        events: list[Event] = []
        try:
            yield events
            return
        except SystemExit as stop:
            folders = [self._folders[candidate.number] for candidate in group.candidates]
            taken = [signal_of(stop, folder) for folder in folders]
            if signals := [number for number in taken if number is not None]:
                self._runs = False
                signal.raise_signal(signals[0])  # the sweeper must hear of it too
                self._stopped = True
            error = None
        except Exception as failure:  # noqa: BLE001 - what breaks the program is found out by each trial alone
            error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
        self._group = None
        for candidate in list(group.candidates):
            if candidate.entrant is not None and candidate.entrant.ending is not None:
                continue
            group.candidates.remove(candidate)
            if error is not None:
                again = replace(candidate.job, trial=replace(candidate.job.trial, resume=True))
                self._run_alone(again, f"its program ended with {error}")
            else:
                events.append(Done(candidate.number, None, candidate.seconds, interrupted=True))

    def _run_alone(self, job: Job, reason: str) -> None:
        print(f"alone  trial {job.trial.number}: {reason}")

        def run() -> Sequence[Event]:
            self._alone.submit(job)
            return self._alone.wait(0.0)

        self._left.append(([job], run))

    def _open(self, candidate: _Candidate) -> Done | None:
        """Write what Hydra writes for a job, and see to it that the folder is fit for it; say if it is not."""
        job, folder = candidate.job, self._folders[candidate.number]
        if job.trial.resume and has_room(folder, job.attempt):
            over = self._ended(folder)
            if over is not None and over.is_final:  # by whoever it was taken from
                return Done(candidate.number, None, over.seconds, outcome=over)

        def begin(folder: Path) -> None:
            make_room(folder, job.attempt)
            if job.trial.resume:
                reopen(folder)

        with as_found():
            candidate.returned = run_job(
                candidate.made,
                number=candidate.number,
                job_id=str(candidate.number),
                context=self._context,
                task_function=partial(_begin_run, judged=self._is_judged(candidate)),
                started=begin,
            )
        refused = candidate.returned.status != JobStatus.COMPLETED
        return Done(candidate.number, candidate.returned, candidate.seconds) if refused else None

    def _is_judged(self, candidate: _Candidate) -> bool:
        """Tell whether a trial before tells that this one's folder is in order: only the number differs."""
        written = candidate.made.whole.hydra.sweep._get_node("subdir")._value()
        only_number = "${" not in str(written).replace("${hydra.job.num}", "").replace("${hydra:job.num}", "")
        known = only_number and id(candidate.made.texts) in self._judged
        self._judged.add(id(candidate.made.texts))
        return known

    def _entrant(self, candidate: _Candidate) -> Entrant:
        trial, last = candidate.job.trial, int(candidate.cfg.trainer.max_epochs)
        heard = trial.reported

        def report(number: int, epoch: int, value: float) -> bool:
            """Report as an ordinary trial does: what is trained to its end is complete."""
            trained = epoch + 1
            return heard <= trained < last and self._report(number, trained, value)

        candidate.entrant = Entrant(
            trial.number,
            candidate.cfg,
            self._folders[trial.number],
            hparams=trial.hparams(),
            report=report if trial.prunes else None,
            checkpoint=candidate.checkpoint,
        )
        return candidate.entrant

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


def _begin_run(cfg: DictConfig, *, judged: bool) -> None:
    open_run_dir(cfg, follows=judged)
    cfg.test = False  # as every trial


def _plain(cfg: DictConfig) -> dict[str, Any]:
    tree = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}


def _conclude(candidate: _Candidate) -> Done:
    """Let a job return what the same task would, trained by itself."""
    returned, entrant = candidate.returned, candidate.entrant
    assert returned is not None
    assert entrant is not None
    if isinstance(entrant.ending, TrainingError):
        returned.return_value, returned.status = TrialError(str(entrant.ending)), JobStatus.FAILED
    elif entrant.ending is not None:
        returned.return_value = objectives_of(entrant.ending, candidate.task, candidate.job.trial)  # type: ignore[arg-type]
    return Done(candidate.number, returned, candidate.seconds)
