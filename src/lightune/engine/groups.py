"""The trials of a worker as programs: a process of its own for each device, with a pool of trials in it."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from lightune.engine.pool import FusedPool
from lightune.study.clean import give_memory_back
from lightune.study.pools import Done, Event, Job, Started
from lightune.study.worker import Service

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
        service.interrupt.asked = False  # what was stopped by hand does not stop the next


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
    )


class _Serving:
    """A pool until a signal stops it."""

    def __init__(self, service: Service, pool: FusedPool) -> None:
        self._service, self._pool = service, pool
        self._jobs: dict[int, Job] = {}
        self._folders: dict[int, Path] = {}

    def run(self) -> None:
        """Train what comes; return when a signal has stopped it and all is given back."""
        service = self._service
        while not service.interrupt.asked or self._jobs:
            for job in service.line.jobs(wait=not self._jobs):
                self._jobs[job.trial.number] = job
                self._pool.submit(job)
            ended = [done for event in self._events() if (done := self._heard(event)) is not None]
            if service.interrupt.asked:
                told = {done.number for done in ended}
                left = [job for number, job in self._jobs.items() if number not in told]
                ended += [self._judged(Done(job.trial.number, None, 0.0, interrupted=True)) for job in left]
            for done in ended:
                del self._jobs[done.number]
            if ended:
                service.line.done(ended)
            if not self._jobs:
                give_memory_back()

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
            self._service.line.started(event.number, event.folder, alone=False)
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
        with redirect_stdout(sys.__stdout__ or sys.stdout):  # what the trial says is its own
            return [self._service.run(self._waiting.pop(0))]

    def interrupt(self) -> None:
        """Do nothing: signals reach the trial by themselves."""
