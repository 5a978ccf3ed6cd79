"""The driver's side of the workers: one warm process per slot, each on devices of its own."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.connection import Pipe as Duplex
from pathlib import Path
from typing import Any

import cloudpickle

from lightune.study.lease import WORKER_MARK
from lightune.study.pools import Done, Event, Job, Report, Started

__all__ = ["Slot", "Workers"]


@dataclass(frozen=True)
class Slot:
    """A place for one trial at a time.

    Args:
        environment: variables that its process has beside the driver's own.
        cpus: the processors it may use; empty for all.
    """

    environment: dict[str, str] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    lifeline: int
    boot: threading.Thread
    job: Job | None = None
    began: float = 0.0
    told: bool = False


class Workers:
    """Run trials in processes of their own, each as soon as a slot is free.

    Args:
        slots: at least one.
        inheritance: what every worker is sent, once, as `cloudpickle` packs it.
        owner: the name of the driver's lease.
    """

    def __init__(self, slots: Sequence[Slot], *, inheritance: bytes, owner: str) -> None:
        self._slots = slots
        self._inheritance = inheritance
        self._owner = owner
        self._workers: list[_Worker | None] = [None] * len(slots)
        self._interrupted = False
        for index in range(len(slots)):
            self._workers[index] = self._start(index)

    def free(self) -> int:
        """Return how many slots have no trial."""
        return sum(worker is None or worker.job is None for worker in self._workers)

    def submit(self, job: Job) -> None:
        """Send a trial to a free slot, whose process is started anew if it died."""
        index = next(i for i, worker in enumerate(self._workers) if worker is None or worker.job is None)
        worker = self._workers[index]
        if worker is None or worker.process.poll() is not None:
            if worker is not None:
                self._bury(worker)
            worker = self._workers[index] = self._start(index)
        worker.job, worker.began, worker.told = job, time.perf_counter(), False
        if self._interrupted:  # a moment ago, when this trial had no process yet
            self._tell(worker)
        worker.boot.join()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `wait` finds the dead process
            worker.connection.send_bytes(cloudpickle.dumps(job))

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait for a trial to start, report or end."""
        busy = {worker.connection: index for index, worker in enumerate(self._workers) if worker and worker.job}
        if not busy:
            time.sleep(seconds)
            return []
        events: list[Event] = []
        for connection in wait(list(busy), timeout=seconds):
            assert isinstance(connection, Connection)
            events.append(self._receive(busy[connection]))
        return events

    def interrupt(self) -> None:
        """Ask the running trials to save and stop; asked a second time, end them."""
        for worker in self._workers:
            if worker is not None and worker.job is not None:
                self._tell(worker)
        self._interrupted = True

    def _tell(self, worker: _Worker) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.process.pid, signal.SIGKILL if worker.told else signal.SIGINT)
        worker.told = True

    def close(self) -> None:
        """End all processes."""
        for worker in filter(None, self._workers):
            self._bury(worker)
        self._workers = [None] * len(self._slots)

    def _receive(self, index: int) -> Event:
        worker = self._workers[index]
        assert worker is not None
        assert worker.job is not None
        number = worker.job.trial.number
        try:
            kind, *content = cloudpickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            seconds = time.perf_counter() - worker.began
            reason = _epitaph(worker.process.wait())
            self._bury(worker)
            self._workers[index] = None
            return Done(number, None, seconds, reason, interrupted=self._interrupted)
        if kind == "started":
            return Started(number, Path(content[0]))
        if kind == "report":
            step, value = content
            return Report(number, step, value, lambda stop: worker.connection.send_bytes(cloudpickle.dumps(stop)))
        returned, outcome, seconds = content
        worker.job = None
        return Done(number, returned, seconds, outcome=outcome)

    def _start(self, index: int) -> _Worker:
        slot = self._slots[index]
        ours, theirs = Duplex()
        lifeline_end, lifeline = os.pipe()
        fds = (theirs.fileno(), lifeline_end)
        with _interrupts_waiting():
            process = subprocess.Popen(
                [sys.executable, "-m", "lightune.study.worker", *map(str, fds)],
                env={**os.environ, **slot.environment, WORKER_MARK: self._owner},
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
        boot = threading.Thread(target=_send, args=(ours, pickle.dumps(place), self._inheritance), daemon=True)
        boot.start()  # the process reads when it has imported what it needs; all slots do so at the same time
        return _Worker(process, ours, lifeline, boot)

    def _bury(self, worker: _Worker) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        worker.boot.join()
        worker.connection.close()
        os.close(worker.lifeline)


@contextlib.contextmanager
def _interrupts_waiting() -> Iterator[None]:
    """Let SIGINT wait; a process that is started inside lets it wait until it can say what it means."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(connection: Connection, *messages: bytes) -> None:
    with contextlib.suppress(OSError):  # a process that died is found when it is waited for
        for message in messages:
            connection.send_bytes(message)


def _epitaph(code: int) -> str:
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
