"""What a worker and its driver say to each other.

The driver sends lists of jobs, and the answer to each report. The worker sends lists of what happened, so that
what ends at the same time is heard of at the same time. This module must not import Optuna, torch or Lightning.
"""

import contextlib
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn

from lightune.runtime.signals import heard_by
from lightune.study.executors.executor import Done, Job
from lightune.study.hydra.run_job import PackedReturn

__all__ = ["Interrupt", "Line"]


class Interrupt:
    """SIGINT means: save and stop. It reaches the trial that runs or is on its way here, and nothing else."""

    def __init__(self) -> None:
        self.asked = False
        self._raises = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # Ray's processes block them

    def _on_signal(self, *_: Any) -> None:
        self.asked = True
        if self._raises:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def job(self) -> Iterator[None]:
        """Let a signal reach what runs inside, also one that came a little before."""
        before, self._raises = self._raises, True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = before

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait, whoever listens to it, until what is said inside has been answered."""
        heard: list[int] = []
        with heard_by(lambda number, _: heard.append(number)):
            yield
        for number in heard[:1]:
            signal.raise_signal(number)


class Line:
    """The worker's end.

    Args:
        connection: to the driver.
        interrupt: waits while something is said.
    """

    def __init__(self, connection: Connection, interrupt: Interrupt) -> None:
        self._connection, self._interrupt = connection, interrupt
        self._jobs: list[Job] = []

    def jobs(self, *, wait: bool = True) -> list[Job]:
        """Return the trials that have come.

        Args:
            wait: whether to wait until some have.

        Raises:
            EOFError: if the driver has closed the line.
        """
        while (wait and not self._jobs) or self._connection.poll():
            self._jobs += cloudpickle.loads(self._connection.recv_bytes())
        jobs, self._jobs = self._jobs, []
        return jobs

    def alone(self, number: int) -> None:
        """Say that nothing but this trial runs until its end is told: if the process ends, it was that."""
        with self._interrupt.held():
            self._send([("alone", number)])

    def started(self, number: int, folder: Path) -> None:
        """Say where a trial will write."""
        with self._interrupt.held():
            self._send([("started", number, str(folder))])

    def report(self, number: int, step: int, value: float) -> bool:
        """Say how far a trial is; return whether it should stop."""
        with self._interrupt.held():
            self._send([("report", number, step, value)])
            while isinstance(heard := cloudpickle.loads(self._connection.recv_bytes()), list):
                self._jobs += heard
            return bool(heard)

    def say(self, text: str) -> None:
        """Let the driver print a line."""
        with self._interrupt.held():
            self._send([("said", text)])

    def done(self, ended: Sequence[Done]) -> None:
        """Say how trials ended."""
        self._send([_packed(done) for done in ended])

    def _send(self, content: list[tuple[Any, ...]]) -> None:
        self._connection.send_bytes(cloudpickle.dumps(content))


def _packed(done: Done) -> tuple[Any, ...]:
    """Make the end of a trial fit to travel; what cannot stays here, and its text goes in its place."""
    told = ("done", done.number, done.outcome, done.seconds)
    returned = done.returned
    try:
        light = None if returned is None else PackedReturn.of(returned)
        return *told, cloudpickle.dumps(light)
    except Exception:  # noqa: BLE001 - anything can be unpicklable, and in any way
        assert returned is not None
        kept = JobReturn(
            overrides=returned.overrides,
            cfg=returned.cfg,
            hydra_cfg=returned.hydra_cfg,
            working_dir=returned.working_dir,
            task_name=returned.task_name,
        )
        kept.status = returned.status
        value = returned._return_value
        kept._return_value = RuntimeError(str(value)) if isinstance(value, Exception) else repr(value)
        return *told, cloudpickle.dumps(kept)
