"""The places of a study on a Ray cluster: each is filled as soon as it is free, and replaced when it is lost.

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
from lightune.study.executors.assignment import deal
from lightune.study.executors.executor import Done, Event, Job, Report, Said, Started
from lightune.study.executors.ray.actor import Host, Place
from lightune.study.executors.ray.connection import disconnect, ray

__all__ = ["Cluster"]

_FAREWELL_SECONDS = 10.0
_MOST_FAILED_STARTS = 3
_MOST_LOSSES_OF_A_PLACE = 5  # in a row; one trial that is the cause is found out before
_LOSSES_IN_COMPANY = 2  # of a trial, before it has a place to itself: what is the cause is found out so


@dataclass(eq=False)
class _Seat:
    """A place of the cluster, seen from here: its actor, and the call of it that we wait for."""

    actor: Any
    call: Any
    replaces: bool = False
    losses: int = 0  # in a row
    open: bool = False
    asks: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)
    began: dict[int, float] = field(default_factory=dict)
    outbox: list[Job] = field(default_factory=list)

    def take(self, job: Job) -> None:
        """Keep a trial until it can be handed over."""
        self.jobs[job.trial.number], self.began[job.trial.number] = job, time.perf_counter()
        self.outbox.append(job)

    def forget(self, number: int) -> None:
        """Let go of a trial that is over."""
        del self.jobs[number], self.began[number]


class Cluster:
    """Run trials on a cluster; one that is lost with its node is told as such.

    Args:
        size: places, > 0.
        options: of the actors.
        place: what their processes are to be like.
        inheritance: what every worker is sent, once.
        owner: the name of the driver's lease.
        capacity: trials of a place at the same time, > 0.
        room: places that the cluster has now; the others count when they open. All of them by default.
    """

    def __init__(
        self,
        size: int,
        *,
        options: dict[str, Any],
        place: Place,
        inheritance: bytes,
        owner: str,
        capacity: int = 1,
        room: int | None = None,
    ) -> None:
        self._ray = ray()
        self._actor = self._ray.remote(Host).options(**options)
        self._arguments = (place, self._ray.put(inheritance), owner, capacity)
        self._capacity = capacity
        self._queue: list[Job] = []
        self._losses: Counter[int] = Counter()
        self._asked, self._passed_on = 0, 0
        self._failed_starts = 0
        room = size if room is None else max(room, 1)
        self._seats = [self._start(replaces=index >= room) for index in range(size)]

    def free(self) -> int:
        """Return how many trials there is room for; a place that is lost counts when another has taken it."""
        places = sum(seat.open or not seat.replaces for seat in self._seats)
        busy = sum(len(seat.began) for seat in self._seats)
        return max(max(places, 1) * self._capacity - busy - len(self._queue), 0)

    def submit(self, job: Job) -> None:
        """Give a trial to a place, or to the first that is free; one that was lost comes first."""
        self._queue.insert(0 if job.trial.resume else len(self._queue), job)
        if self._capacity == 1:  # no other is to go with it
            self._fill()

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait for a trial to start, report or end."""
        events = self._pass_on_interrupt()
        self._fill()
        calls = {seat.call: seat for seat in self._seats if seat.call is not None}
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
        self._asked += 1

    def close(self) -> None:
        """End all processes."""
        farewells = [seat.actor.close.remote() for seat in self._seats if seat.open]
        if farewells:
            self._ray.wait(farewells, num_returns=len(farewells), timeout=_FAREWELL_SECONDS)
        for seat in self._seats:
            self._ray.kill(seat.actor)
        self._seats = []
        disconnect()

    def _start(self, *, replaces: bool = False, losses: int = 0) -> _Seat:
        actor = self._actor.remote(*self._arguments)
        return _Seat(actor, actor.open.remote(), replaces=replaces, losses=losses)

    def _fill(self) -> None:
        """Give what waits to the places, those before the others that have lost fewest."""
        able = sorted((seat for seat in self._seats if seat.open), key=lambda seat: seat.losses)
        if self._capacity == 1:
            free = [seat for seat in able if not seat.began]
            self._hand_over(free, [[job] for job in self._queue[: len(free)]])
        else:
            able = self._without_suspects(able)
            jobs = [job for job in self._queue if not self._is_suspect(job)]
            held = [list(seat.jobs.values()) for seat in able]
            self._hand_over(able, deal(jobs, held, most=self._share))
        for seat in self._seats:
            if seat.outbox and seat.call is None and not seat.asks:
                self._listen(seat)

    @property
    def _share(self) -> int:
        """How many trials a place gets: those that still open shall have their share."""
        if all(seat.open or seat.replaces for seat in self._seats):
            return self._capacity
        trials = len(self._queue) + sum(len(seat.began) for seat in self._seats)
        return max(1, min(self._capacity, math.ceil(trials / len(self._seats))))

    def _hand_over(self, seats: Sequence[_Seat], dealt: Sequence[Sequence[Job]]) -> None:
        for seat, jobs in zip(seats, dealt, strict=False):
            for job in jobs:
                self._queue.remove(job)
                seat.take(job)

    def _is_suspect(self, job: Job) -> bool:
        return self._losses[job.trial.number] >= _LOSSES_IN_COMPANY

    def _without_suspects(self, able: list[_Seat]) -> list[_Seat]:
        """Give a place of its own to a trial that may be what ends the places; return those for the others."""
        able = [seat for seat in able if not any(map(self._is_suspect, seat.jobs.values()))]
        for job in filter(self._is_suspect, list(self._queue)):
            if not able:
                break
            seat = min(able, key=lambda seat: len(seat.began))
            able.remove(seat)  # if it has trials still, it gets no more
            if not seat.began:
                self._hand_over([seat], [[job]])
        return able

    def _listen(self, seat: _Seat) -> None:
        """Wait for what a place has to say, and hand it what waits for it."""
        jobs, seat.outbox = seat.outbox, []
        seat.call = seat.actor.run.remote(jobs) if jobs else seat.actor.listen.remote()

    def _receive(self, seat: _Seat) -> list[Event]:
        try:
            said = self._ray.get(seat.call)
        except self._ray.exceptions.RayError as error:
            return self._lose(seat, _why(error))
        if not seat.open:
            if said is not None:
                raise ConfigError(
                    [Problem("hydra/launcher", f"{said}; the nodes must share the driver's folders")]
                )
            seat.open, seat.call, self._failed_starts = True, None, 0
            return []
        seat.call = None
        events = [self._taken_in(seat, event) for event in cloudpickle.loads(said)]
        if seat.began and not seat.asks:
            self._listen(seat)
        return events

    def _taken_in(self, seat: _Seat, event: Started | Done | Said | tuple[int, int, float]) -> Event:
        if isinstance(event, Done):
            seat.forget(event.number)
            seat.losses = 0
        if not isinstance(event, tuple):
            return event

        def answer(stop: bool) -> None:
            seat.asks = False
            seat.call = seat.actor.answer.remote(stop)

        seat.asks = True
        return Report(*event, answer)

    def _lose(self, seat: _Seat, reason: str) -> list[Event]:
        """Give up a place whose node or process is gone, and look for another."""
        self._ray.kill(seat.actor)
        self._failed_starts += not seat.open
        if self._failed_starts >= _MOST_FAILED_STARTS * len(self._seats):
            raise ConfigError([Problem("hydra/launcher", f"no process starts on the Ray cluster: {reason}")])
        self._losses.update(seat.began)
        now, why = time.perf_counter(), f"its node was lost: {reason}"
        lost: list[Event] = [
            Done(number, None, now - began, why, lost=True) for number, began in seat.began.items()
        ]
        return lost + self._replace(seat, reason)

    def _replace(self, seat: _Seat, reason: str) -> list[Event]:
        """Start another place, unless that was tried often."""
        index, losses = self._seats.index(seat), seat.losses + bool(seat.began)
        if losses < _MOST_LOSSES_OF_A_PLACE:
            self._seats[index] = self._start(replaces=True, losses=losses)
            return []
        if len(self._seats) == 1:
            rule = f"no place of the Ray cluster is left: {losses} in a row were lost with all their trials"
            raise ConfigError([Problem("hydra/launcher", f"{rule}, at last: {reason}")])
        del self._seats[index]
        return [Said(f"a place of the cluster is given up, which was lost {losses} times in a row: {reason}")]

    def _pass_on_interrupt(self) -> list[Event]:
        if self._passed_on == self._asked:
            return []
        again, self._passed_on = self._passed_on > 0 or self._asked > 1, self._asked
        for seat in self._seats:
            if seat.began and again:
                self._ray.kill(seat.actor)
            elif seat.began:
                seat.actor.interrupt.remote()
        waiting, self._queue = self._queue, []
        for seat in self._seats:
            waiting += seat.outbox
            for job in seat.outbox:
                seat.forget(job.trial.number)
            seat.outbox = []
        return [Done(job.trial.number, None, 0.0, interrupted=True) for job in waiting]


def _why(error: Exception) -> str:
    """Return in a few words what Ray says in many lines."""
    lines = [" ".join(line.split()) for line in str(error).splitlines()] or [type(error).__name__]
    return next((line for line in lines if " because " in line), lines[0]).partition(". ")[0].rstrip(".")
