"""The driver's side of the workers: one warm process per slot, each on devices of its own.

A process runs one trial at a time, or trains several together. When one that trained several ends, by a crash or
by the system, nobody knows for which of them: they go on one by one, and the guilty one is found.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cloudpickle

from lightune.study.executors.assignment import deal
from lightune.study.executors.executor import Done, Event, Job, Report, Said, Started
from lightune.study.executors.local.worker_handle import Process, Sent, Slot, start

__all__ = ["Workers"]

_MOST_STOPS = 2  # by signals to a trial's process, before it is taken for their cause


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
        self._workers: list[Process | None] = [None] * len(slots)
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
            self._send(held.index(min(held)), [job])
            return
        if job.trial.number in self._guilty:  # and is tried again
            job = replace(job, alone=True)
        self._waiting.append(job)

    def _send(self, index: int, jobs: Sequence[Job]) -> None:
        """Give trials to a process, which is started anew if it died."""
        worker = self._workers[index]
        if worker is not None and worker.is_over:
            worker.end()
            worker = None
        if worker is None:
            worker = self._workers[index] = self._start(index)
        worker.send(jobs)
        if self._interrupted and not worker.told:  # a moment ago, when these trials had no process yet
            worker.stop()

    def _start(self, index: int) -> Process:
        return start(self._slots[index], inheritance=self._inheritance, owner=self._owner)

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
            if dealt:
                sent = {job.trial.number for job in dealt}
                self._waiting = [job for job in self._waiting if job.trial.number not in sent]
                self._send(index, dealt)

    def _take_back(self) -> list[Event]:
        """Give back what was not sent when a signal came."""
        jobs, self._waiting = self._waiting, []
        return [Done(job.trial.number, None, 0.0, interrupted=True) for job in jobs]

    def interrupt(self) -> None:
        """Ask the running trials to save and stop; asked a second time, end them."""
        for worker in self._workers:
            if worker is not None and worker.sent:
                worker.stop()
        self._interrupted = True

    def close(self) -> None:
        """End all processes."""
        for worker in filter(None, self._workers):
            worker.end()
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
                events.append(Report(number, step, value, worker.answer))
            else:
                number, outcome, seconds, returned = content
                sent = worker.sent.pop(number)
                worker.alone = None if worker.alone == number else worker.alone
                stopped = outcome is not None and not outcome.is_final
                if not (stopped and self._takes_up(sent, ran=alone in (None, number))):
                    events.append(Done(number, cloudpickle.loads(returned), seconds, outcome=outcome))
        return events

    def _lose(self, index: int, worker: Process) -> list[Event]:
        """Take in that a process has ended: the trial that it ran is lost, and those that trained go on alone."""
        reason = worker.epitaph()
        worker.end()
        self._workers[index] = None
        events: list[Event] = []
        never_began = worker.alone is None and all(sent.job.alone for sent in worker.sent.values())
        for number, sent in worker.sent.items():
            if self._capacity == 1 or self._interrupted or never_began or number == worker.alone:
                self._guilty.add(number)
                seconds = time.perf_counter() - sent.began
                events.append(Done(number, None, seconds, reason, interrupted=self._interrupted))
            else:
                self.submit(sent.continued(alone=worker.alone is None))
        return events

    def _takes_up(self, sent: Sent, *, ran: bool) -> bool:
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
        self.submit(sent.continued(alone=stops == _MOST_STOPS))
        return True
