"""The trials of a worker as programs: a process of its own for each device, with a pool of trials in it."""

import sys
from collections.abc import Container, Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path

from lightune.study.executors.executor import Done, Event, Job, Started
from lightune.study.executors.fused.executor import FusedPool
from lightune.study.executors.worker.isolation import give_memory_back
from lightune.study.executors.worker.main import Inheritance, Service
from lightune.study.outcome.outcome import Outcome, read_outcome

__all__ = ["serve_groups"]


def serve_groups(service: Service, *, size: int, fused_width: int | None) -> None:
    """Train trials together as they come, until the driver closes the line.

    Args:
        service: of the worker.
        size: most trials of a batch, > 0.
        fused_width: most members of a program, >= 2; None for as many as memory holds.

    Raises:
        EOFError: when the driver has closed the line.
    """
    while True:
        _Serving(service, _pool(service, size, fused_width)).run()


def _pool(service: Service, size: int, fused_width: int | None) -> FusedPool:
    inherited = service.inherited
    return FusedPool(
        inherited.config,
        context=inherited.hydra_context,
        task_function=inherited.task_function,
        alone=_Alone(service),
        size=size,
        fused_width=fused_width,
        report=service.line.report,
        ended=partial(_ended, inherited),
    )


def _ended(inherited: Inheritance, folder: Path) -> Outcome | None:
    return read_outcome(folder, inherited.objectives) if inherited.objectives is not None else None


class _Serving:
    """A pool until a signal stops it."""

    def __init__(self, service: Service, pool: FusedPool) -> None:
        self._service, self._pool = service, pool
        self._jobs: dict[int, Job] = {}
        self._folders: dict[int, Path] = {}

    def run(self) -> None:
        """Train what comes; return when a signal has stopped it and all is given back."""
        service, stopped = self._service, False
        while not stopped:
            for job in service.line.jobs(wait=not self._jobs):
                self._jobs[job.trial.number] = job
                self._pool.submit(job)
            ended = [done for event in self._events() if (done := self._heard(event)) is not None]
            if stopped := service.interrupt.asked:
                ended += self._given_back({done.number for done in ended})
                service.interrupt.asked = False  # before the driver hears of it: what comes next is not stopped
            for done in ended:
                del self._jobs[done.number]
            if ended:
                service.line.done(ended)
            if not self._jobs:
                give_memory_back()

    def _given_back(self, ended: Container[int]) -> list[Done]:
        """Tell of all others that they were stopped, of those too that were sent a moment ago."""
        for job in self._service.line.jobs(wait=False):
            self._jobs[job.trial.number] = job
        left = [number for number in self._jobs if number not in ended]
        return [self._judged(Done(number, None, 0.0, interrupted=True)) for number in left]

    def _events(self) -> Sequence[Event]:
        """Let the pool take its next step; after a signal, let it give back what it has."""
        said = StringIO()
        try:
            with redirect_stdout(said), self._service.interrupt.job():
                return self._pool.wait(0.0)
        except KeyboardInterrupt:
            self._pool.interrupt()
            return self._pool.wait(0.0)
        finally:
            for line in said.getvalue().splitlines():
                self._service.line.say(line)

    def _heard(self, event: Event) -> Done | None:
        """Hand on where a trial writes; judge how one ended."""
        if isinstance(event, Started):
            self._folders[event.number] = event.folder
            self._service.line.started(event.number, event.folder)
            return None
        assert isinstance(event, Done)
        return event if event.outcome is not None else self._judged(event)

    def _judged(self, done: Done) -> Done:
        return self._service.judged(self._jobs[done.number], done, self._folders.get(done.number))


class _Alone:
    """What runs the trials that cannot train with others, one at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting: list[Job] = []

    def submit(self, job: Job) -> None:
        """Keep a trial until `wait`."""
        self._waiting.append(job)

    def wait(self, seconds: float) -> Sequence[Event]:
        """Run it."""
        job = self._waiting.pop(0)
        self._service.line.alone(job.trial.number)
        with redirect_stdout(sys.__stdout__ or sys.stdout):  # what the trial says is its own
            return [self._service.run(job)]

    def interrupt(self) -> None:
        """Do nothing: signals reach the trial by themselves."""
