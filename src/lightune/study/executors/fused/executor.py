"""Trials that differ in numbers only train as one program, the rest one by one in the same process."""

import gc
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from lightune.runtime.plain_text import say
from lightune.runtime.quiet import quiet
from lightune.runtime.signals import raise_left
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Event, Job, Started
from lightune.study.executors.fused.candidate import Candidate, CandidateLifecycle, why_no_job
from lightune.study.executors.fused.group_runner import GroupRunner
from lightune.study.executors.worker.isolation import as_found
from lightune.training.fit import no_driver_loaded
from lightune.training.fused.build_loop import device_of
from lightune.training.fused.planner import Group, StructureCache, plan

__all__ = ["FusedExecutor", "TrialRunner"]


class TrialRunner(Protocol):
    """What runs a trial that cannot train with others, in the same process."""

    def submit(self, job: Job) -> None:
        """Keep a trial until `wait`."""

    def wait(self, seconds: float) -> Sequence[Event]:
        """Run it to its end."""

    def interrupt(self) -> None:
        """Stop it: this is called where the signal came in."""


class FusedExecutor:
    """Run trials in this process, those that may as groups.

    Args:
        context: what the trials belong to.
        alone: runs the trials that cannot train with others.
        size: most trials at the same time, > 0.
        fused_width: most members of a program, >= 2; None for as many as memory holds.
    """

    def __init__(
        self, context: ExecutorContext, *, alone: TrialRunner, size: int, fused_width: int | None
    ) -> None:
        self._context, self._alone = context, alone
        self._size, self._fused_width = size, fused_width
        self._lifecycle = CandidateLifecycle(context)
        self._new: list[Job] = []
        self._jobs: dict[int, Job] = {}  # all that have not ended
        self._folders: dict[int, Path] = {}  # of those of them that may train as a group
        self._candidates: list[Candidate] = []
        self._steps: deque[Callable[[], Sequence[Event]]] = deque()
        self._known: dict[str, StructureCache] = {}
        self._group: GroupRunner | None = None
        self._interrupted = self._runs = self._breaks = False

    def free(self) -> int:
        """Return how many trials are wanted: those that end leave their places to others."""
        return max(0, self._size - len(self._jobs))

    def submit(self, job: Job) -> None:
        """Put a trial among those that train next."""
        self._new.append(job)
        self._jobs[job.trial.number] = job

    def wait(self, seconds: float) -> Sequence[Event]:
        """Take the next step: look at new trials, train a group for an epoch, or run one trial by itself."""
        if not self._jobs:
            time.sleep(seconds)
            return []
        if self._interrupted:
            events = self._give_back()
        else:
            try:
                with self._running():
                    events = list(self._step())
            except KeyboardInterrupt:
                self._interrupted = True
                events = self._give_back()
        for event in events:
            if isinstance(event, Done):
                self._jobs.pop(event.number)
                self._folders.pop(event.number, None)
        return events

    def _step(self) -> Sequence[Event]:
        if self._new:
            jobs, self._new = sorted(self._new, key=lambda job: job.trial.number), []
            return self._begin(jobs)
        if self._group is not None:
            events = self._group.join(self._candidates)
            if not self._group.is_over:
                events += self._group.round()
            if events or not self._group.is_over:
                return events
            self._group = None  # nobody came
            gc.collect()  # trainers and their callbacks refer to each other
        if self._candidates and not self._steps:  # they may find a place in what is left
            self._plan()
        return self._steps.popleft()() if self._steps else []

    def _give_back(self) -> list[Event]:
        """End all that has not ended as interrupted; what trains as a group saves first."""
        if self._group is not None:
            self._group.stop()
        self._new, self._candidates, self._group = [], [], None
        self._steps.clear()
        return [
            end_of(
                job,
                objectives=self._context.objectives,
                folder=self._folders.get(number),
                interrupted=True,
            )
            for number, job in self._jobs.items()
        ]

    def _begin(self, jobs: list[Job]) -> Sequence[Event]:
        """Sort out what is never fused; say where the rest will write before anything is written there."""
        events: list[Event] = []
        reason = why_no_job(self._context.config, self._context.task_function)
        for job in jobs:
            died = "the process died in which it trained with others" if job.alone else None
            candidate = None if reason or died else self._lifecycle.make(job)
            if candidate is None:
                self._run_alone(job, reason or died or "its configuration is refused")
            else:
                self._candidates.append(candidate)
                self._folders[job.trial.number] = candidate.folder
                events.append(Started(job.trial.number, candidate.folder))
        return events

    def _plan(self) -> None:
        """Divide all that wait into groups, and those that train alone."""
        candidates, self._candidates = self._candidates, []
        device = device_of(candidates[0].cfg)
        configs = [candidate.cfg for candidate in candidates]
        with as_found(), quiet(verbose=False), no_driver_loaded(), self._breaking():
            made = plan(configs, device=device, fused_width=self._fused_width, known=self._known)
        for index, reason in sorted(made.alone.items()):
            self._run_alone(candidates[index].job, reason)
        for group in reversed(made.groups):
            members = [candidates[index] for index in group.indices]
            self._steps.appendleft(partial(self._begin_group, members, group, device))

    def _begin_group(self, candidates: list[Candidate], group: Group, device: str) -> Sequence[Event]:
        self._group = GroupRunner(
            group,
            device=device,
            context=self._context,
            lifecycle=self._lifecycle,
            run_alone=self._run_alone,
            on_signal=self._pass_on,
        )
        return self._group.begin(candidates)

    def _pass_on(self, number: int | None) -> None:
        """Let the driver hear of a signal that the program has taken for itself; None if it may have taken one."""
        self._runs = self._breaks = False
        if number is not None:
            signal.raise_signal(number)
        elif not raise_left():
            return
        self._interrupted = True

    def _run_alone(self, job: Job, reason: str) -> None:
        say(f"alone  {self._context.noun} {job.trial.number}: {reason}")

        def run() -> Sequence[Event]:
            self._alone.submit(job)
            return self._alone.wait(0.0)

        self._steps.append(run)

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._runs = True
        try:
            yield
        finally:
            self._runs = False

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Let a signal break what runs inside, which leaves nothing half made; elsewhere it waits for the step."""
        self._breaks = True
        try:
            if self._interrupted:
                raise KeyboardInterrupt
            yield
        finally:
            self._breaks = False

    def interrupt(self) -> None:
        """Stop what runs; asked a second time, do not wait: this is called where the signal came in."""
        again, self._interrupted = self._interrupted, True
        self._alone.interrupt()
        if self._breaks or (again and self._runs):
            raise KeyboardInterrupt

    def close(self) -> None:
        """Do nothing: there is no process of ours."""
