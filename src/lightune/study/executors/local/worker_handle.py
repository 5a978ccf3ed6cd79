"""A worker's process, seen from the driver: how it starts, what it was sent, and how it ends."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.connection import Pipe as Duplex
from typing import Any

import cloudpickle

from lightune.study.executors.executor import Job
from lightune.study.executors.local.sender import Mailbox
from lightune.study.storage.lease import WORKER_MARK

__all__ = ["Process", "Sent", "Slot", "start"]


@dataclass(frozen=True)
class Slot:
    """A place for one process.

    Args:
        environment: variables that its process has beside the driver's own.
        cpus: the processors it may use; empty for all.
    """

    environment: dict[str, str] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()


@dataclass
class Sent:
    """A trial that a process has.

    Args:
        job: the trial.
        began: when it was sent, in seconds of `time.perf_counter`.
        started: whether it knows its folder.
    """

    job: Job
    began: float
    started: bool = False

    def continued(self, *, alone: bool) -> Job:
        """Return the trial as it goes on after its process has stopped."""
        trial = replace(self.job.trial, resume=self.job.trial.resume or self.started)
        return replace(self.job, trial=trial, alone=self.job.alone or alone)


@dataclass
class Process:
    """A process and what it has to do.

    Args:
        process: the process, which leads a group.
        connection: to it.
        lifeline: the end of a pipe; the process ends when it is closed.
        mailbox: writes into the connection.
        sent: its trials, by their numbers.
        alone: the trial that runs while the others wait, if there is one.
        told: whether it was asked to stop.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    lifeline: int
    mailbox: Mailbox
    sent: dict[int, Sent] = field(default_factory=dict)
    alone: int | None = None
    told: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and no trial with it."""
        return not self.sent and self.process.poll() is not None

    def send(self, jobs: Sequence[Job]) -> None:
        """Let it run trials, which start at the same time."""
        if not self.sent:
            self.told, self.alone = False, None
        self.sent.update((job.trial.number, Sent(job, time.perf_counter())) for job in jobs)
        self.mailbox.send(cloudpickle.dumps(list(jobs)))

    def answer(self, stop: bool) -> None:
        """Answer a report."""
        self.mailbox.send(cloudpickle.dumps(stop))

    def stop(self) -> None:
        """Ask it to save what it has and stop; asked a second time, end it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL if self.told else signal.SIGINT)
        self.told = True

    def end(self) -> None:
        """End it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.mailbox.close()
        self.connection.close()
        os.close(self.lifeline)

    def epitaph(self) -> str:
        """Wait until it has ended; say how, in one line."""
        code = self.process.wait()
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"


def start(slot: Slot, *, inheritance: bytes, owner: str) -> Process:
    """Start a process, which imports what it needs meanwhile.

    Args:
        slot: its place.
        inheritance: as `Workers` takes it.
        owner: the name of the driver's lease.
    """
    ours, theirs = Duplex()
    lifeline_end, lifeline = os.pipe()
    fds = (theirs.fileno(), lifeline_end)
    with _interrupts_waiting():
        process = subprocess.Popen(
            [sys.executable, "-m", "lightune.study.executors.worker.main", *map(str, fds)],
            env={**os.environ, **slot.environment, WORKER_MARK: owner},
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    theirs.close()
    os.close(lifeline_end)
    place: dict[str, Any] = {
        "path": list(sys.path),
        "argv": list(sys.argv),
        "folder": os.getcwd(),
        "cpus": slot.cpus,
    }
    mailbox = Mailbox(ours)
    mailbox.send(pickle.dumps(place))
    mailbox.send(inheritance)
    return Process(process, ours, lifeline, mailbox)


@contextlib.contextmanager
def _interrupts_waiting() -> Iterator[None]:
    """Let SIGINT wait; a process that is started inside lets it wait until it can say what it means."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
