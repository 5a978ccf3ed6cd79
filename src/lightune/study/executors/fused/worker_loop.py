"""The loop of a worker that trains groups: a fused executor in a process of its own, for each device."""

import sys
from collections.abc import Container, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Event, Job, Started
from lightune.study.executors.fused.executor import FusedExecutor
from lightune.study.executors.worker.isolation import give_memory_back
from lightune.study.executors.worker.main import Worker

__all__ = ["FusedWorker", "serve_groups"]


def serve_groups(worker: Worker, *, size: int, fused_width: int | None) -> None:
    """Train groups of trials as they come.

    Args:
        worker: of this process.
        size: most trials at the same time, > 0.
        fused_width: most members of a program, >= 2; None for as many as memory holds.

    Raises:
        EOFError: when the driver has closed the connection.
    """
    while True:
        alone = _RunAlone(worker)
        executor = FusedExecutor(worker.context, alone=alone, size=size, fused_width=fused_width)
        FusedWorker(worker, executor).run()


class FusedWorker:
    """Serves a driver until a signal stops it.

    Args:
        worker: of this process.
        executor: runs what the driver sends.
    """

    def __init__(self, worker: Worker, executor: FusedExecutor) -> None:
        self._worker, self._executor = worker, executor
        self._jobs: dict[int, Job] = {}
        self._folders: dict[int, Path] = {}

    def run(self) -> None:
        """Train what comes; return when a signal has stopped it and all is given back."""
        channel, interrupt, stopped = self._worker.channel, self._worker.interrupt, False
        while not stopped:
            for job in channel.jobs(wait=not self._jobs):
                self._jobs[job.trial.number] = job
                self._executor.submit(job)
            ended = [event for event in self._events() if isinstance(event, Done)]
            if stopped := interrupt.asked:
                ended += self._given_back({done.number for done in ended})
                interrupt.asked = False  # before the driver hears of it: what comes next is not stopped
            for done in ended:
                del self._jobs[done.number]
            if ended:
                channel.done(ended)
            if not self._jobs:
                give_memory_back()

    def _given_back(self, ended: Container[int]) -> list[Done]:
        """End all others as interrupted, those too that were sent a moment ago."""
        for job in self._worker.channel.jobs(wait=False):
            self._jobs[job.trial.number] = job
        objectives = self._worker.context.objectives
        return [
            end_of(job, objectives=objectives, folder=self._folders.get(number), interrupted=True)
            for number, job in self._jobs.items()
            if number not in ended
        ]

    def _events(self) -> Sequence[Event]:
        """Let the executor take its next step; after a signal, let it give back what it has."""
        printed, interrupt = StringIO(), self._worker.interrupt
        events: list[Event] = []
        try:
            with redirect_stdout(printed):
                if not interrupt.asked:
                    events += self._executor.wait(0.0)
                if interrupt.asked:
                    self._executor.interrupt()
                    events += self._executor.wait(0.0)
        finally:
            for line in printed.getvalue().splitlines():
                self._worker.channel.message(line)
        for event in events:
            if isinstance(event, Started):
                self._folders[event.number] = event.folder
                self._worker.channel.started(event.number, event.folder)
        return events


class _RunAlone:
    """Runs the trials that cannot train with others, one at a time.

    Args:
        worker: of this process.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._waiting: list[Job] = []

    def submit(self, job: Job) -> None:
        """Keep a trial until `wait`."""
        self._waiting.append(job)

    def wait(self, seconds: float) -> Sequence[Event]:
        """Run it."""
        job = self._waiting.pop(0)
        self._worker.channel.alone(job.trial.number)
        with redirect_stdout(sys.__stdout__ or sys.stdout):  # what the trial prints is its own
            return [self._worker.run(job)]

    def interrupt(self) -> None:
        """Do nothing: signals reach the trial by themselves."""
