"""Trials on a Ray cluster: each actor has trials as soon as it is free, and is replaced when it is lost.

This module imports Ray only when it is called.
"""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from lightune.errors import ConfigError, Problem
from lightune.study.definition.settings import Objective
from lightune.study.executors.assignment import assign
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Event, Job, Message, Report, Started
from lightune.study.executors.local.worker_handle import TrialInWorker
from lightune.study.executors.ray.actor import DriverPlace, WorkerActor
from lightune.study.executors.ray.connection import disconnect, ray

__all__ = ["RayExecutor"]

_CLOSE_SECONDS = 10.0
_MOST_FAILED_STARTS = 3
_MOST_LOSSES_OF_AN_ACTOR = 5  # in a row; one trial that is the cause is found out before
_LOSSES_TOGETHER = 2  # of a trial, before it has an actor to itself: what is the cause is found out so


@dataclass(eq=False)
class _ActorHandle:
    """An actor, seen from here, and the call of it that we wait for."""

    actor: Any
    call: Any
    replaces: bool = False
    losses: int = 0  # in a row
    open: bool = False
    asks: bool = False
    trials: dict[int, TrialInWorker] = field(default_factory=dict)
    unsent: list[Job] = field(default_factory=list)

    def take(self, job: Job) -> None:
        """Keep a trial until it can be sent."""
        self.trials[job.trial.number] = TrialInWorker(job)
        self.unsent.append(job)


class RayExecutor:
    """Run trials on a cluster; one that is lost with its node ends as such.

    Args:
        size: actors, > 0.
        options: of the actors.
        place: what their processes are to be like.
        setup: a `WorkerSetup`, as `cloudpickle` packs it; every worker is sent it, once.
        owner: the name of the driver's lease.
        objectives: what the study is judged by; None outside of a study.
        capacity: trials of an actor at the same time, > 0.
        room: actors that the cluster has room for now; the others count when they open. All of them by default.
    """

    def __init__(
        self,
        size: int,
        *,
        options: dict[str, Any],
        place: DriverPlace,
        setup: bytes,
        owner: str,
        objectives: Sequence[Objective] | None = None,
        capacity: int = 1,
        room: int | None = None,
    ) -> None:
        self._ray = ray()
        self._actor = self._ray.remote(WorkerActor).options(**options)
        self._arguments = (place, self._ray.put(setup), owner, objectives, capacity)
        self._objectives = objectives
        self._capacity = capacity
        self._queue: list[Job] = []
        self._losses: Counter[int] = Counter()
        self._interrupts, self._passed_on = 0, 0
        self._failed_starts = 0
        room = size if room is None else max(room, 1)
        self._actors = [self._start(replaces=index >= room) for index in range(size)]

    def free(self) -> int:
        """Return how many trials there is room for; an actor that is lost counts when another has replaced it."""
        actors = sum(handle.open or not handle.replaces for handle in self._actors)
        busy = sum(len(handle.trials) for handle in self._actors)
        return max(max(actors, 1) * self._capacity - busy - len(self._queue), 0)

    def submit(self, job: Job) -> None:
        """Give a trial to an actor, or to the first that is free; one that was lost comes first."""
        self._queue.insert(0 if job.trial.resume else len(self._queue), job)
        if self._capacity == 1:  # no other is to go with it
            self._fill()

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait for a trial to start, report or end."""
        events = self._pass_on_interrupt()
        self._fill()
        calls = {handle.call: handle for handle in self._actors if handle.call is not None}
        if not calls:
            time.sleep(0 if events else seconds)
            return events
        ready, _ = self._ray.wait(list(calls), timeout=0 if events else seconds)
        more, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        for call in dict.fromkeys([*ready, *more]):
            events += self._receive(calls[call])
        if self._capacity == 1:
            self._fill()
        return events

    def interrupt(self) -> None:
        """Ask the running trials to save and stop; asked a second time, end them. Safe in a signal's handler."""
        self._interrupts += 1

    def close(self) -> None:
        """End all processes."""
        closings = [handle.actor.close.remote() for handle in self._actors if handle.open]
        if closings:
            self._ray.wait(closings, num_returns=len(closings), timeout=_CLOSE_SECONDS)
        for handle in self._actors:
            self._ray.kill(handle.actor)
        self._actors = []
        disconnect()

    def _start(self, *, replaces: bool = False, losses: int = 0) -> _ActorHandle:
        actor = self._actor.remote(*self._arguments)
        return _ActorHandle(actor, actor.open.remote(), replaces=replaces, losses=losses)

    def _fill(self) -> None:
        """Give what waits to the actors, first to those that were lost least often."""
        able = sorted((handle for handle in self._actors if handle.open), key=lambda handle: handle.losses)
        if self._capacity == 1:
            free = [handle for handle in able if not handle.trials]
            self._hand_over(free, [[job] for job in self._queue[: len(free)]])
        else:
            able = self._without_suspects(able)
            jobs = [job for job in self._queue if not self._is_suspect(job)]
            held = [[trial.job for trial in handle.trials.values()] for handle in able]
            self._hand_over(able, assign(jobs, held, most=self._share))
        for handle in self._actors:
            if handle.unsent and handle.call is None and not handle.asks:
                self._listen(handle)

    @property
    def _share(self) -> int:
        """How many trials an actor gets: those that still open shall have their share."""
        if all(handle.open or handle.replaces for handle in self._actors):
            return self._capacity
        trials = len(self._queue) + sum(len(handle.trials) for handle in self._actors)
        return max(1, min(self._capacity, math.ceil(trials / len(self._actors))))

    def _hand_over(self, handles: Sequence[_ActorHandle], assigned: Sequence[Sequence[Job]]) -> None:
        for handle, jobs in zip(handles, assigned, strict=False):
            for job in jobs:
                self._queue.remove(job)
                handle.take(job)

    def _is_suspect(self, job: Job) -> bool:
        return self._losses[job.trial.number] >= _LOSSES_TOGETHER

    def _without_suspects(self, able: list[_ActorHandle]) -> list[_ActorHandle]:
        """Give an actor of its own to a trial that may be what ends the actors; return those for the others."""
        able = [
            handle for handle in able if not any(self._is_suspect(trial.job) for trial in handle.trials.values())
        ]
        for job in filter(self._is_suspect, list(self._queue)):
            if not able:
                break
            handle = min(able, key=lambda handle: len(handle.trials))
            able.remove(handle)  # if it has trials still, it gets no more
            if not handle.trials:
                self._hand_over([handle], [[job]])
        return able

    def _listen(self, handle: _ActorHandle) -> None:
        """Wait for events of an actor, and send it what waits for it."""
        jobs, handle.unsent = handle.unsent, []
        handle.call = handle.actor.run.remote(jobs) if jobs else handle.actor.listen.remote()

    def _receive(self, handle: _ActorHandle) -> list[Event]:
        try:
            said = self._ray.get(handle.call)
        except self._ray.exceptions.RayError as error:
            return self._lose(handle, _why(error))
        if not handle.open:
            if said is not None:
                raise ConfigError(
                    [Problem("hydra/launcher", f"{said}; the nodes must share the driver's folders")]
                )
            handle.open, handle.call, self._failed_starts = True, None, 0
            return []
        handle.call = None
        events = [self._event_of(handle, event) for event in cloudpickle.loads(said)]
        if handle.trials and not handle.asks:
            self._listen(handle)
        return events

    def _event_of(self, handle: _ActorHandle, event: Started | Done | Message | tuple[int, int, float]) -> Event:
        if isinstance(event, Done):
            del handle.trials[event.number]
            handle.losses = 0
        elif isinstance(event, Started):
            handle.trials[event.number].folder = event.folder
        if not isinstance(event, tuple):
            return event

        def answer(stop: bool) -> None:
            handle.asks = False
            handle.call = handle.actor.answer.remote(stop)

        handle.asks = True
        return Report(*event, answer)

    def _lose(self, handle: _ActorHandle, reason: str) -> list[Event]:
        """Give up an actor whose node or process is gone, and look for another."""
        self._ray.kill(handle.actor)
        self._failed_starts += not handle.open
        if self._failed_starts >= _MOST_FAILED_STARTS * len(self._actors):
            raise ConfigError([Problem("hydra/launcher", f"no process starts on the Ray cluster: {reason}")])
        self._losses.update(list(handle.trials))
        now, why = time.perf_counter(), f"its node was lost: {reason}"
        lost: list[Event] = [
            end_of(
                trial.job,
                objectives=self._objectives,
                folder=trial.folder,
                seconds=now - trial.began,
                error=why,
                lost=True,
            )
            for trial in handle.trials.values()
        ]
        return lost + self._replace(handle, reason)

    def _replace(self, handle: _ActorHandle, reason: str) -> list[Event]:
        """Start another actor, unless that was tried often."""
        index, losses = self._actors.index(handle), handle.losses + bool(handle.trials)
        if losses < _MOST_LOSSES_OF_AN_ACTOR:
            self._actors[index] = self._start(replaces=True, losses=losses)
            return []
        if len(self._actors) == 1:
            rule = f"no place of the Ray cluster is left: {losses} in a row were lost with all their trials"
            raise ConfigError([Problem("hydra/launcher", f"{rule}, at last: {reason}")])
        del self._actors[index]
        return [Message(f"a place of the cluster is given up, which was lost {losses} times in a row: {reason}")]

    def _pass_on_interrupt(self) -> list[Event]:
        if self._passed_on == self._interrupts:
            return []
        again, self._passed_on = self._passed_on > 0 or self._interrupts > 1, self._interrupts
        for handle in self._actors:
            if handle.trials and again:
                self._ray.kill(handle.actor)
            elif handle.trials:
                handle.actor.interrupt.remote()
        waiting, self._queue = self._queue, []
        for handle in self._actors:
            waiting += handle.unsent
            for job in handle.unsent:
                del handle.trials[job.trial.number]
            handle.unsent = []
        return [end_of(job, objectives=self._objectives, interrupted=True) for job in waiting]


def _why(error: Exception) -> str:
    """Return in a few words what Ray says in many lines."""
    lines = [" ".join(line.split()) for line in str(error).splitlines()] or [type(error).__name__]
    return next((line for line in lines if " because " in line), lines[0]).partition(". ")[0].rstrip(".")
