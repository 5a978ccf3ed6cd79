"""Trials in worker processes on this machine: one warm process per slot, each on devices of its own.

A process runs one trial at a time, or trains several together. When one that trained several ends, by a crash or
by the system, nobody knows for which of them: they are resumed one by one, and the one that is the cause is found.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cloudpickle

from lightune.study.definition.settings import Objective
from lightune.study.executors.assignment import assign
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Event, Job, Message, Report, Started
from lightune.study.executors.local.worker_handle import Slot, TrialInWorker, WorkerHandle, start_worker

__all__ = ["LocalExecutor"]

_MOST_STOPS = 2  # by signals to a trial's process, before the trial is taken for their cause


class LocalExecutor:
    """Run trials in processes of their own, each as soon as a slot is free.

    Args:
        slots: at least one.
        setup: a `WorkerSetup`, as `cloudpickle` packs it; every worker is sent it, once.
        objectives: what the study is judged by; None outside of a study.
        owner: the name of the driver's lease.
        capacity: trials of a process at the same time, > 0.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        setup: bytes,
        owner: str,
        objectives: Sequence[Objective] | None = None,
        capacity: int = 1,
    ) -> None:
        self._slots = slots
        self._setup, self._owner = setup, owner
        self._objectives = objectives
        self._capacity = capacity
        self._workers: list[WorkerHandle | None] = [None] * len(slots)
        self._waiting: list[Job] = []  # to be assigned, where a process takes several
        self._interrupted = False
        self._suspects: set[int] = set()  # trials whose process ended
        self._stops: Counter[int] = Counter()  # how often somebody else stopped a trial
        for index in range(len(slots)):
            self._workers[index] = self._start(index)

    def free(self) -> int:
        """Return how many trials there is room for."""
        room = sum(self._capacity - (len(worker.trials) if worker else 0) for worker in self._workers)
        return room - len(self._waiting)

    def submit(self, job: Job) -> None:
        """Give a trial to a free process; where a process takes several, keep it until `wait`."""
        if self._capacity == 1:
            held = [len(worker.trials) if worker else 0 for worker in self._workers]
            self._send(held.index(min(held)), [job])
            return
        if job.trial.number in self._suspects:  # and is tried again
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
        if self._interrupted and not worker.asked_to_stop:  # a moment ago, when these trials had no process yet
            worker.stop()

    def _start(self, index: int) -> WorkerHandle:
        return start_worker(self._slots[index], setup=self._setup, owner=self._owner)

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait for a trial to start, report or end."""
        if self._interrupted and self._waiting:
            jobs, self._waiting = self._waiting, []
            return [end_of(job, objectives=self._objectives, interrupted=True) for job in jobs]
        self._assign()
        busy = {worker.connection: index for index, worker in enumerate(self._workers) if worker and worker.trials}
        if not busy:
            time.sleep(seconds)
            return []
        events: list[Event] = []
        for connection in wait(list(busy), timeout=seconds):
            assert isinstance(connection, Connection)
            events += self._receive(busy[connection])
        return events

    def _assign(self) -> None:
        """Divide the trials that wait among the processes."""
        if not self._waiting:
            return
        held = [[trial.job for trial in worker.trials.values()] if worker else [] for worker in self._workers]
        for index, jobs in enumerate(assign(self._waiting, held, most=self._capacity)):
            if jobs:
                numbers = {job.trial.number for job in jobs}
                self._waiting = [job for job in self._waiting if job.trial.number not in numbers]
                self._send(index, jobs)

    def interrupt(self) -> None:
        """Ask the running trials to save and stop; asked a second time, end them."""
        for worker in self._workers:
            if worker is not None and worker.trials:
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
            messages = cloudpickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return self._worker_ended(index, worker)
        events: list[Event] = []
        alone = worker.alone
        for kind, *content in messages:
            if kind == "message":
                events.append(Message(*content))
            elif kind == "alone":
                (worker.alone,) = content
            elif kind == "started":
                number, folder = content
                worker.trials[number].folder = Path(folder)
                events.append(Started(number, Path(folder)))
            elif kind == "report":
                number, step, value = content
                events.append(Report(number, step, value, worker.answer))
            else:
                number, outcome, returned = content
                trial = worker.trials.pop(number)
                worker.alone = None if worker.alone == number else worker.alone
                if outcome.is_final or not self._resumes(trial, ran=alone in (None, number)):
                    events.append(Done(number, outcome, cloudpickle.loads(returned)))
        return events

    def _worker_ended(self, index: int, worker: WorkerHandle) -> list[Event]:
        """End the trial that an ended process ran; those that trained together are resumed, each alone."""
        reason = worker.why_it_ended()
        worker.end()
        self._workers[index] = None
        events: list[Event] = []
        never_began = worker.alone is None and all(trial.job.alone for trial in worker.trials.values())
        for number, trial in worker.trials.items():
            if self._capacity == 1 or self._interrupted or never_began or number == worker.alone:
                self._suspects.add(number)
                done = end_of(
                    trial.job,
                    objectives=self._objectives,
                    folder=trial.folder,
                    seconds=time.perf_counter() - trial.began,
                    error=reason,
                    interrupted=self._interrupted,
                )
                events.append(done)
            else:
                self.submit(trial.resumed(alone=worker.alone is None))
        return events

    def _resumes(self, trial: TrialInWorker, *, ran: bool) -> bool:
        """Resume a trial whose process of several was stopped by somebody else; return whether it is resumed.

        Args:
            trial: which.
            ran: whether it was under way, and did not wait for one that ran alone.
        """
        if self._capacity == 1 or self._interrupted:
            return False
        stops = self._stops[trial.job.trial.number] = self._stops[trial.job.trial.number] + ran
        if stops > _MOST_STOPS:
            return False
        self.submit(trial.resumed(alone=stops == _MOST_STOPS))
        return True
