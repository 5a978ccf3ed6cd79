"""What runs trials: the one interface between the driver and whatever a launcher starts.

An executor takes trials (`submit`) while it has room (`free`), and returns what happens to them (`wait`) as the
events below. A new one is a class with these five methods, and a launcher that makes it (`ExecutorLauncher`).
This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hydra.core.utils import JobReturn

from lightune.study.outcome.outcome import Outcome
from lightune.trial import Trial

__all__ = ["Done", "Event", "Executor", "Job", "Message", "Report", "Started"]


@dataclass(frozen=True)
class Job:
    """What an executor is sent of a trial.

    Args:
        trial: what its task will see; its `report` is replaced where it runs.
        overrides: as Hydra takes them.
        alone: whether it must not train with others: a program that it was in ended its process.
    """

    trial: Trial
    overrides: tuple[str, ...]
    alone: bool = False


@dataclass(frozen=True)
class Started:
    """The folder that a trial will write to is known."""

    number: int
    folder: Path


@dataclass(frozen=True)
class Report:
    """A trial has reported a value, and waits for the answer: whether it should stop."""

    number: int
    step: int
    value: float
    answer: Callable[[bool], None] = field(compare=False)


@dataclass(frozen=True)
class Done:
    """A trial has ended, or was stopped; `ending.end_of` makes it.

    Args:
        number: its number.
        outcome: how it ended, as judged by what Hydra returned and what its folder holds.
        returned: what Hydra made of it; None if its process ended instead.
        lost: whether the machine that it ran on is gone; the trial is not to blame and goes to another.
    """

    number: int
    outcome: Outcome
    returned: JobReturn | None = None
    lost: bool = False


@dataclass(frozen=True)
class Message:
    """A line for whoever watches the study."""

    text: str


Event = Started | Report | Done | Message


class Executor(Protocol):
    """Runs trials, some at the same time."""

    def free(self) -> int:
        """Return how many trials could be submitted now."""

    def submit(self, job: Job) -> None:
        """Start a trial, or keep it until `wait`."""

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait at most about so long for something to happen; return at once with what has."""

    def interrupt(self) -> None:
        """Ask all running trials to save what they have and stop; called in a signal's handler."""

    def close(self) -> None:
        """End all processes."""
