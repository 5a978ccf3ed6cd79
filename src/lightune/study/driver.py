"""The story of a study: ask, submit, hear, tell, until there are as many trials as were asked for."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn

from lightune.study.executors.executor import Done, Event, Executor, Job, Message, Report, Started
from lightune.study.observer import Ending, Observer
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.outcome import Outcome, settle
from lightune.study.signals import StopSignal
from lightune.study.storage.leftovers import clear_away
from lightune.study.storage.trial_store import TrialStore
from lightune.trial import Trial
from lightune.wording import counted

__all__ = ["Driver"]

_MOST_LOSSES = 3  # machines that one trial may lose before it is taken for the cause
_MOST_STOPS = 3  # of the study, for a full disk that one trial meets, before the trial is taken for the cause


class Driver:
    """Run the trials of a study.

    Args:
        store: the record of its trials.
        executor: runs them.
        observers: watch it, in this order.
        stop: says when to stop.
        place_of: returns where a trial would write that has ended before it said so; None if nobody can tell.
        poll: most seconds between two looks at what other drivers do, > 0.
    """

    def __init__(
        self,
        store: TrialStore,
        executor: Executor,
        observers: Sequence[Observer] = (),
        *,
        stop: StopSignal,
        place_of: Callable[[Job], Path | None] = lambda job: None,
        poll: float = 0.5,
    ) -> None:
        self._store, self._executor, self._observers = store, executor, observers
        self._stop, self._place_of, self._poll = stop, place_of, poll
        self._unwritable: str | None = None
        self._running: dict[int, Trial] = {}
        self._returns: dict[int, JobReturn] = {}
        self._losses: dict[int, int] = {}
        self._ended: list[int] = []
        self._deadline = time.monotonic() + (store.settings.timeout or float("inf"))
        share = store.settings.max_failures
        self._most_failures = int(share * store.n_trials) if isinstance(share, float) else share

    def run(self) -> Ending:
        """Run until nothing is left to do, or something stops it."""
        with self._stop.calling(self._executor.interrupt):
            while True:
                self._store.lease.renew()
                self._ask_and_submit()
                self._notify()
                if self._running:
                    for event in self._executor.wait(self._poll):
                        self._hear(event)
                elif self._others_run():
                    time.sleep(self._poll)
                else:
                    break
        return self._end()

    def _ask_and_submit(self) -> None:
        while not self._stops and self._executor.free():
            trial = self._store.ask(self._running.keys(), new=self._wants_more)
            if trial is None:
                return
            if self._stops:  # for a signal that came meanwhile
                self._store.release(trial.number)
                return
            self._submit(trial)

    @property
    def _stops(self) -> bool:
        return self._stop.number is not None or self._unwritable is not None

    @property
    def _wants_more(self) -> bool:
        return not self._stops and time.monotonic() < self._deadline and not self._failed_too_often

    @property
    def _failed_too_often(self) -> bool:
        return self._store.failures() > self._most_failures

    def _others_run(self) -> bool:
        return self._wants_more and any(trial.state == "running" for trial in self._store.records())

    def _submit(self, trial: Trial) -> None:
        self._running[trial.number] = trial
        self._executor.submit(self._job(trial))

    def _job(self, trial: Trial) -> Job:
        return Job(trial, tuple(self._store.space.overrides(trial.point)))

    def _hear(self, event: Event) -> None:
        if isinstance(event, Started):
            self._store.note_folder(event.number, event.folder)
            for observer in self._observers:
                observer.trial_started(event.number)
        elif isinstance(event, Report):
            event.answer(self._store.report(event.number, event.step, event.value))
        elif isinstance(event, Message):
            self._say(event.text)
        else:
            self._tell(event)

    def _tell(self, done: Done) -> None:
        trial = self._running.pop(done.number)
        outcome = done.outcome
        if done.returned is not None:
            self._returns[done.number] = done.returned
        if not outcome.is_final:
            if self._stops or (outcome.unwritable and self._stop_for_disk(done)):
                self._store.release(done.number)  # it is resumed when the study is
                return
            if done.lost and self._resumed_elsewhere(done, trial):
                return
            reason = outcome.error if outcome.unwritable else "it was interrupted from outside"
            if done.lost:
                reason = f"it lost its place {counted(self._losses[done.number], 'time')}; at last {outcome.error}"
            outcome = Outcome("failed", None, outcome.seconds, reason)
        if outcome.failed and trial.attempt < self._store.settings.retries:
            self._retry(trial, outcome)
            return
        self._settle(trial, done, outcome)
        self._store.tell(done.number, outcome)
        self._ended.append(done.number)

    def _settle(self, trial: Trial, done: Done, outcome: Outcome) -> None:
        """See to it that the trial's folder says how it ended, whatever became of the process that should have."""
        folder = self._store.folder_of(trial.number)
        if folder is None and (folder := self._place_of(self._job(trial))) is not None:
            self._store.note_folder(trial.number, folder)
        if folder is not None:
            make_room(folder, trial.attempt)
            settle(folder, outcome)
            if done.returned is None and not done.lost:  # what was cut off may have left more
                clear_away(folder)

    def _stop_for_disk(self, done: Done) -> bool:
        """Stop the study, as every trial would fail of the disk; return False if it is this trial that does."""
        if self._store.note_stop(done.number) > _MOST_STOPS:
            return False
        self._unwritable = f"trial {done.number}: {done.outcome.error}"
        self._executor.interrupt()
        return True

    def _resumed_elsewhere(self, done: Done, trial: Trial) -> bool:
        """Resume a trial on another machine when its own is lost; return False if it has lost too many."""
        losses = self._losses[done.number] = self._losses.get(done.number, 0) + 1
        if losses > _MOST_LOSSES:
            return False
        self._say(f"trial {done.number}: {done.outcome.error}; it goes on on another")
        self._submit(self._store.resume(trial))
        return True

    def _retry(self, trial: Trial, outcome: Outcome) -> None:
        if self._stops:
            self._store.release(trial.number)  # whoever resumes the study starts it again
            return
        again = self._store.retry(trial)
        self._say(f"trial {trial.number} failed ({outcome.error}); start {again.attempt + 1}")
        self._submit(again)

    def _notify(self) -> None:
        """Show what has ended, while its place is already taken by the next."""
        while self._ended:
            ended = self._store.record(self._ended.pop(0))
            for observer in self._observers:
                observer.trial_ended(ended)
        for observer in self._observers:
            observer.tick()

    def _say(self, text: str) -> None:
        for observer in self._observers:
            observer.message(text)

    def _end(self) -> Ending:
        trials, best = self._store.records(), self._store.best()
        ending = Ending(
            trials=trials,
            best=best,
            returns=self._returns,
            signal=self._stop.number,
            too_many_failures=self._failed_too_often,
            unwritable=self._unwritable,
            timed_out=time.monotonic() >= self._deadline and len(trials) < self._store.n_trials,
        )
        for observer in self._observers:
            observer.study_ended(ending)
        return ending
