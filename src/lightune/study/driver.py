"""The story of a study: ask, submit, hear, tell, until there are as many trials as were asked for."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hydra.core.utils import JobReturn

from lightune.study.executors.executor import Done, Event, Executor, Job, Message, Report, Started
from lightune.study.outcome.outcome import Outcome
from lightune.study.outputs.display import Display
from lightune.study.outputs.writer import StudyFiles
from lightune.study.signals import StopSignal
from lightune.study.storage.trial_store import Book, Row, Ticket
from lightune.trial import Trial

__all__ = ["Driver", "Ending"]

_BEAT = 0.5  # seconds between two looks at what other sweepers do
_FILES_EVERY = 2.0
_MOST_LOSSES = 3  # machines that one trial may lose before it is taken for the cause


@dataclass
class Ending:
    """How a study ended here.

    Args:
        rows: all of its trials.
        best: the best, or the Pareto front.
        returns: what Hydra returned for the trials that ran here, by their numbers.
        signal: the signal that stopped it, if one did.
        too_many_failures: whether it stopped for the failures.
        timed_out: whether it stopped for the time.
    """

    rows: Sequence[Row]
    best: Sequence[Row]
    returns: dict[int, JobReturn] = field(default_factory=dict)
    signal: int | None = None
    too_many_failures: bool = False
    timed_out: bool = False

    @property
    def failures(self) -> list[Row]:
        """The trials that failed."""
        return [row for row in self.rows if row.state == "failed"]

    @property
    def exit_code(self) -> int:
        """What a shell is told: 0, 1 if it failed, 128 and the signal if it was stopped."""
        if self.signal is not None:
            return 128 + self.signal
        nothing = bool(self.rows) and len(self.failures) == len(self.rows)
        return 1 if self.too_many_failures or nothing else 0


class Driver:
    """Run the trials of a study.

    Args:
        book: their record.
        executor: runs them.
        display: what shows them.
        stop: says when to leave off.
        files: kept up to date now and then, and at the end.
    """

    def __init__(
        self,
        book: Book,
        executor: Executor,
        display: Display,
        *,
        stop: StopSignal,
        files: StudyFiles,
    ) -> None:
        self._book, self._executor, self._display = book, executor, display
        self._stop, self._files = stop, files
        self._running: dict[int, Ticket] = {}
        self._returns: dict[int, JobReturn] = {}
        self._losses: dict[int, int] = {}
        self._ended: list[int] = []
        self._deadline = time.monotonic() + (book.settings.timeout or float("inf"))
        self._written = time.monotonic()
        share = book.settings.max_failures
        self._most_failures = int(share * book.n_trials) if isinstance(share, float) else share

    @property
    def _failed_too_often(self) -> bool:
        return self._book.failures() > self._most_failures

    @property
    def _asks(self) -> bool:
        ended = self._stop.number is not None or time.monotonic() >= self._deadline
        return not ended and not self._failed_too_often

    def run(self) -> Ending:
        """Run until nothing is left to do, or something stops it."""
        with self._stop.told_to(self._executor.interrupt):
            while True:
                self._fill()
                self._show()
                if self._running:
                    for event in self._executor.wait(_BEAT):
                        self._hear(event)
                elif not self._others_run():
                    break
                else:
                    time.sleep(_BEAT)
        rows, best = self._book.rows(), self._book.best()
        self._files.update(rows, best)
        return Ending(
            rows=rows,
            best=best,
            returns=self._returns,
            signal=self._stop.number,
            too_many_failures=self._failed_too_often,
            timed_out=time.monotonic() >= self._deadline and len(rows) < self._book.n_trials,
        )

    def _fill(self) -> None:
        while self._stop.number is None and self._executor.free():
            ticket = self._book.next(set(self._running), new=self._asks)
            if ticket is None:
                return
            if self._stop.number is not None:  # which came meanwhile
                self._book.release(ticket.number)
                return
            self._submit(ticket)

    def _others_run(self) -> bool:
        return self._asks and any(row.state == "running" for row in self._book.rows())

    def _submit(self, ticket: Ticket) -> None:
        self._running[ticket.number] = ticket
        objectives = self._book.settings.objectives
        heard = self._book.reported(ticket.number) if ticket.resume and self._book.prunes else 0
        trial = Trial(
            number=ticket.number,
            point=ticket.point,
            keys=tuple(dimension.key for dimension in self._book.space.dimensions),
            resume=ticket.resume,
            prunes=self._book.prunes,
            reported=heard,
            attempt=ticket.attempt,
            objectives=tuple(o.metric for o in objectives if o.metric) if len(objectives) > 1 else (),
        )
        self._executor.submit(Job(trial, tuple(self._book.space.overrides(ticket.point))))

    def _hear(self, event: Event) -> None:
        if isinstance(event, Started):
            self._book.note_folder(event.number, event.folder)
            self._display.began(self._book.rows)
        elif isinstance(event, Report):
            event.answer(self._book.report(event.number, event.step, event.value))
        elif isinstance(event, Message):
            print(event.text)
        else:
            self._end(event)

    def _end(self, done: Done) -> None:
        ticket = self._running.pop(done.number)
        outcome = done.outcome
        if done.returned is not None:
            self._returns[done.number] = done.returned
        if not outcome.is_final:
            if self._stop.number is not None:
                self._book.release(done.number)  # it goes on when the study does
                return
            if done.lost and self._goes_elsewhere(done, ticket):
                return
            reason = "it was interrupted from outside"
            if done.lost:
                reason = f"it lost its place {self._losses[done.number]} times; at last {outcome.error}"
            outcome = Outcome("failed", None, outcome.seconds, reason)
        if outcome.failed and ticket.attempt < self._book.settings.retries:
            if self._stop.number is not None:
                self._book.release(done.number)  # whoever goes on with the study owes it a start
                return
            attempt = self._book.note_failure(done.number)
            self._display.say(f"trial {done.number} failed ({outcome.error}); start {attempt + 1}")
            self._submit(Ticket(ticket.number, ticket.point, attempt=attempt))
            return
        self._book.tell(done.number, outcome)
        self._ended.append(done.number)

    def _goes_elsewhere(self, done: Done, ticket: Ticket) -> bool:
        """Give a trial to another machine when it has lost its own; tell whether it gets one more."""
        losses = self._losses[done.number] = self._losses.get(done.number, 0) + 1
        if losses > _MOST_LOSSES:
            return False
        self._display.say(f"trial {done.number}: {done.outcome.error}; it goes on on another")
        self._submit(Ticket(ticket.number, ticket.point, resume=True, attempt=ticket.attempt))
        return True

    def _show(self) -> None:
        """Show what has ended, while its place is already taken by the next."""
        while self._ended:
            row = self._book.row(self._ended.pop(0))
            self._files.end(row)
            self._display.ended(row, self._book.rows, self._book.best)
        if time.monotonic() - self._written > _FILES_EVERY:
            self._files.update(self._book.rows(), self._book.best())
            self._written = time.monotonic()
