"""What watches a study while it runs, and how the study ended: the side of the driver that people and files see.

A new display, log or notification is a class with these methods; `sweep` hands it to the driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hydra.core.utils import JobReturn

from lightune.study.storage.records import TrialRecord

__all__ = ["Ending", "Observer", "Report"]


@dataclass
class Ending:
    """How a study ended in this process.

    Args:
        trials: all of the study's.
        best: the best, or the Pareto front.
        returns: what Hydra returned for the trials that ran here, by their numbers.
        signal: the signal that stopped it, if one did.
        too_many_failures: whether it stopped for the failures.
        timed_out: whether it stopped for the time.
        unwritable: why it stopped if that was for a disk that takes nothing.
    """

    trials: Sequence[TrialRecord]
    best: Sequence[TrialRecord]
    returns: dict[int, JobReturn] = field(default_factory=dict)
    signal: int | None = None
    too_many_failures: bool = False
    timed_out: bool = False
    unwritable: str | None = None

    @property
    def failures(self) -> list[TrialRecord]:
        """The trials that failed."""
        return [trial for trial in self.trials if trial.state == "failed"]

    @property
    def exit_code(self) -> int:
        """The process's exit code: 0, 1 if it failed or could not be written, 128 and a signal that stopped it."""
        if self.signal is not None:
            return 128 + self.signal
        nothing = bool(self.trials) and len(self.failures) == len(self.trials)
        return 1 if self.too_many_failures or self.unwritable or nothing else 0


class Observer(Protocol):
    """Watches a study; called by the driver, between its other work."""

    def trial_started(self, number: int) -> None:
        """Take notice of a trial whose folder is known."""

    def trial_ended(self, trial: TrialRecord) -> None:
        """Take notice of the end of a trial, whose place the next already has."""

    def message(self, text: str) -> None:
        """Show a line about what happens beside that."""

    def tick(self) -> None:
        """Take notice of time that has passed: called about twice a second."""

    def study_ended(self, ending: Ending) -> None:
        """Take notice of the end of the study in this process."""


class Report(Observer, Protocol):
    """Watches a study, and has a last word when its end has been told."""

    def conclude(self) -> None:
        """Say what the figures of the study say."""
