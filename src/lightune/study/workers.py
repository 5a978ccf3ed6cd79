"""The driver's side of the workers: one warm process per slot, each on devices of its own.

A process runs one trial at a time, or trains several together. When one that trained several ends, by a crash or
by the system, nobody knows for which of them: they go on one by one, and the guilty one is found.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.connection import Pipe as Duplex
from pathlib import Path
from typing import Any

import cloudpickle

from lightune.study.dealing import deal
from lightune.study.lease import WORKER_MARK
from lightune.study.mailbox import Mailbox
from lightune.study.pools import Done, Event, Job, Report, Said, Started

__all__ = ["Slot", "Workers"]

_MOST_STOPS = 2  # by signals to a trial's process, before it is taken for their cause


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
class _Sent:
    job: Job
    began: float
    started: bool = False


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    lifeline: int
    mailbox: Mailbox
    sent: dict[int, _Sent] = field(default_factory=dict)
    outbox: list[Job] = field(default_factory=list)
    alone: int | None = None
    told: bool = False


class Workers:
    """Run trials in processes of their own, each as soon as a slot is free.

    Args:
        slots: at least one.
        inheritance: what every worker is sent, once, as `cloudpickle` packs it.
        owner: the name of the driver's lease.
        capacity: trials of a process at the same time, > 0.
    """

    def __init__(self, slots: Sequence[Slot], *, inheritance: bytes, owner: str, capacity: int = 1) -> None:
        self._slots = slots
        self._inheritance = inheritance
        self._owner = owner
        self._capacity = capacity
        self._workers: list[_Worker | None] = [None] * len(slots)
        self._waiting: list[Job] = []  # to be dealt out, where a process takes several
        self._interrupted = False
        self._guilty: set[int] = set()  # of trials whose process ended
        self._stops: Counter[int] = Counter()  # how often somebody else stopped a trial
        for index in range(len(slots)):
            self._workers[index] = self._start(index)

    def free(self) -> int:
        """Return how many trials there is room for."""
        room = sum(self._capacity - (len(worker.sent) if worker else 0) for worker in self._workers)
        return room - len(self._waiting)

    def submit(self, job: Job) -> None:
        """Give a trial to a free process; where a process takes several, keep it until `wait`."""
        if self._capacity == 1:
            held = [len(worker.sent) if worker else 0 for worker in self._workers]
            self._send_off(self._hand(held.index(min(held)), job))
            return
        if job.trial.number in self._guilty:  # and is tried again
            job = replace(job, alone=True)
        self._waiting.append(job)

    def _hand(self, index: int, job: Job) -> _Worker:
        """Give a trial to a process, which is started anew if it died."""
        worker = self._workers[index]
        if worker is None or (not worker.sent and worker.process.poll() is not None):
            if worker is not None:
                self._bury(worker)
            worker = self._workers[index] = self._start(index)
        if not worker.sent:
            worker.told, worker.alone = False, None
        worker.sent[job.trial.number] = _Sent(job, time.perf_counter())
        worker.outbox.append(job)
        if self._interrupted and not worker.told:  # a moment ago, when this trial had no process yet
            self._tell(worker)
        return worker

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait for a trial to start, report or end."""
        if self._interrupted and self._waiting:
            return self._take_back()
        self._deal()
        busy = {worker.connection: index for index, worker in enumerate(self._workers) if worker and worker.sent}
        if not busy:
            time.sleep(seconds)
            return []
        events: list[Event] = []
        for connection in wait(list(busy), timeout=seconds):
            assert isinstance(connection, Connection)
            events += self._receive(busy[connection])
        return events

    def _deal(self) -> None:
        """Divide the trials that wait among the processes."""
        if not self._waiting:
            return
        held = [[sent.job for sent in worker.sent.values()] if worker else [] for worker in self._workers]
        for index, dealt in enumerate(deal(self._waiting, held, most=self._capacity)):
            for job in dealt:
                self._waiting.remove(job)
                self._hand(index, job)
        for worker in filter(None, self._workers):
            self._send_off(worker)

    def _take_back(self) -> list[Event]:
        """Give back what was not sent when a signal came."""
        jobs, self._waiting = self._waiting, []
        return [Done(job.trial.number, None, 0.0, interrupted=True) for job in jobs]

    def interrupt(self) -> None:
        """Ask the running trials to save and stop; asked a second time, end them."""
        for worker in self._workers:
            if worker is not None and worker.sent:
                self._tell(worker)
        self._interrupted = True

    def _send_off(self, worker: _Worker) -> None:
        jobs, worker.outbox = worker.outbox, []
        if jobs:
            worker.mailbox.send(cloudpickle.dumps(jobs))

    def _tell(self, worker: _Worker) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.process.pid, signal.SIGKILL if worker.told else signal.SIGINT)
        worker.told = True

    def close(self) -> None:
        """End all processes."""
        for worker in filter(None, self._workers):
            self._bury(worker)
        self._workers = [None] * len(self._slots)

    def _receive(self, index: int) -> list[Event]:
        worker = self._workers[index]
        assert worker is not None
        try:
            heard = cloudpickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return self._lose(index, worker)
        events: list[Event] = []
        alone = worker.alone
        for kind, *content in heard:
            if kind == "said":
                events.append(Said(*content))
            elif kind == "alone":
                (worker.alone,) = content
            elif kind == "started":
                number, folder = content
                worker.sent[number].started = True
                events.append(Started(number, Path(folder)))
            elif kind == "report":
                number, step, value = content
                events.append(Report(number, step, value, partial(_answer, worker)))
            else:
                number, outcome, seconds, returned = content
                sent = worker.sent.pop(number)
                worker.alone = None if worker.alone == number else worker.alone
                stopped = outcome is not None and not outcome.is_final
                if not (stopped and self._takes_up(sent, ran=alone in (None, number))):
                    events.append(Done(number, cloudpickle.loads(returned), seconds, outcome=outcome))
        return events

    def _lose(self, index: int, worker: _Worker) -> list[Event]:
        """Take in that a process has ended: the trial that it ran is lost, and those that trained go on alone."""
        reason = _epitaph(worker.process.wait())
        self._bury(worker)
        self._workers[index] = None
        events: list[Event] = []
        never_began = worker.alone is None and all(sent.job.alone for sent in worker.sent.values())
        for number, sent in worker.sent.items():
            if self._capacity == 1 or self._interrupted or never_began or number == worker.alone:
                self._guilty.add(number)
                seconds = time.perf_counter() - sent.began
                events.append(Done(number, None, seconds, reason, interrupted=self._interrupted))
            else:
                self.submit(_continued(sent, alone=worker.alone is None))
        return events

    def _takes_up(self, sent: _Sent, *, ran: bool) -> bool:
        """Let a trial go on whose process of several was told, by somebody else, to stop; tell whether it does.

        Args:
            sent: the trial.
            ran: whether it was under way, and did not wait for one that ran alone.
        """
        if self._capacity == 1 or self._interrupted:
            return False
        stops = self._stops[sent.job.trial.number] = self._stops[sent.job.trial.number] + ran
        if stops > _MOST_STOPS:
            return False
        self.submit(_continued(sent, alone=stops == _MOST_STOPS))
        return True

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
        mailbox = Mailbox(ours)
        mailbox.send(pickle.dumps(place))
        mailbox.send(self._inheritance)
        return _Worker(process, ours, lifeline, mailbox)

    def _bury(self, worker: _Worker) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        worker.mailbox.close()
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


def _continued(sent: _Sent, *, alone: bool) -> Job:
    """Return a trial as it goes on after its process stopped."""
    trial = replace(sent.job.trial, resume=sent.job.trial.resume or sent.started)
    return replace(sent.job, trial=trial, alone=sent.job.alone or alone)


def _answer(worker: _Worker, stop: bool) -> None:
    worker.mailbox.send(cloudpickle.dumps(stop))


def _epitaph(code: int) -> str:
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
