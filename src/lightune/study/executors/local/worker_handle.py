"""A worker process, seen from the driver: how it starts, what it was sent, and how it ends."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import cloudpickle

from lightune.paths import plugin_folders
from lightune.study.executors.executor import Job
from lightune.study.executors.local.sender import Sender
from lightune.study.storage.lease import WORKER_MARK

__all__ = ["Slot", "TrialInWorker", "WorkerHandle", "start_worker"]


@dataclass(frozen=True)
class Slot:
    """A place for one worker process.

    Args:
        environment: variables that its process has beside the driver's own.
        cpus: the processors it may use; empty for all.
    """

    environment: dict[str, str] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()


@dataclass
class TrialInWorker:
    """A trial that a worker has.

    Args:
        job: the trial.
        began: when it was sent, in seconds of `time.perf_counter`.
        folder: where it writes, once it has started.
    """

    job: Job
    began: float = field(default_factory=time.perf_counter)
    folder: Path | None = None

    def resumed(self, *, alone: bool) -> Job:
        """Return the trial as it is sent again after its process has stopped."""
        trial = replace(self.job.trial, resume=self.job.trial.resume or self.folder is not None)
        return replace(self.job, trial=trial, alone=self.job.alone or alone)


@dataclass
class WorkerHandle:
    """A worker process and what it has to do.

    Args:
        process: the process, which leads a group.
        connection: to it.
        lifeline: the end of a pipe; the process ends when it is closed.
        sender: writes into the connection.
        trials: those that it has, by their numbers.
        alone: the trial that runs while the others wait, if there is one.
        asked_to_stop: whether it was.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    lifeline: int
    sender: Sender
    trials: dict[int, TrialInWorker] = field(default_factory=dict)
    alone: int | None = None
    asked_to_stop: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and no trial with it."""
        return not self.trials and self.process.poll() is not None

    def send(self, jobs: Sequence[Job]) -> None:
        """Let it run trials, which start at the same time."""
        if not self.trials:
            self.asked_to_stop, self.alone = False, None
        self.trials.update((job.trial.number, TrialInWorker(job)) for job in jobs)
        self.sender.send(cloudpickle.dumps(list(jobs)))

    def answer(self, stop: bool) -> None:
        """Answer a report."""
        self.sender.send(cloudpickle.dumps(stop))

    def stop(self) -> None:
        """Ask it to save what it has and stop; asked a second time, end it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL if self.asked_to_stop else signal.SIGINT)
        self.asked_to_stop = True

    def end(self) -> None:
        """End it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.sender.close()
        self.connection.close()
        os.close(self.lifeline)

    def why_it_ended(self) -> str:
        """Wait until it has ended; return how, in one line."""
        code = self.process.wait()
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"


def start_worker(slot: Slot, *, setup: bytes, owner: str) -> WorkerHandle:
    """Start a worker process, which imports what it needs meanwhile.

    Args:
        slot: its place.
        setup: a `WorkerSetup`, as `cloudpickle` packs it.
        owner: the name of the driver's lease.
    """
    ours, theirs = Pipe()
    lifeline_end, lifeline = os.pipe()
    fds = (theirs.fileno(), lifeline_end)
    with _sigint_blocked():
        process = subprocess.Popen(
            # -P: not what lies in the current folder under the name of a module
            [sys.executable, "-P", "-m", "lightune.study.executors.worker.main", *map(str, fds)],
            env={**os.environ, **slot.environment, WORKER_MARK: owner},
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    theirs.close()
    os.close(lifeline_end)
    place: dict[str, Any] = {
        "path": list(sys.path),
        "plugins": plugin_folders(),
        "argv": list(sys.argv),
        "folder": os.getcwd(),
        "cpus": slot.cpus,
    }
    sender = Sender(ours)
    sender.send(pickle.dumps(place))
    sender.send(setup)
    return WorkerHandle(process, ours, lifeline, sender)


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT; a process that is started inside inherits that, and unblocks it once it handles it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
