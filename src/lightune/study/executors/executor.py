"""What runs trials: the interface between the driver and a launcher, and the one for launchers that block."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.outcome import Outcome
from lightune.trial import Trial

__all__ = ["Blocking", "Done", "Event", "Job", "Pool", "Report", "Said", "Started"]


@dataclass(frozen=True)
class Job:
    """A trial on its way to a worker.

    Args:
        trial: what its task will see; its `report` is replaced on the other side.
        overrides: as Hydra takes them.
        attempt: how often it failed before.
        alone: whether it must not train with others: a program that it was in ended its process.
    """

    trial: Trial
    overrides: tuple[str, ...]
    attempt: int = 0
    alone: bool = False


@dataclass(frozen=True)
class Started:
    """A trial knows the folder that it will write to."""

    number: int
    folder: Path


@dataclass(frozen=True)
class Report:
    """A trial says how far it is and waits for an answer."""

    number: int
    step: int
    value: float
    answer: Callable[[bool], None] = field(compare=False)


@dataclass(frozen=True)
class Done:
    """A trial is over.

    Args:
        number: its number.
        returned: what Hydra made of it; None if its process ended instead.
        seconds: wall time.
        error: what ended it, if not the task itself, in one line.
        interrupted: whether it was stopped from outside.
        outcome: how it ended, where the other side has judged that already.
        lost: whether the machine that it ran on is gone; the trial is not to blame and goes to another.
    """

    number: int
    returned: JobReturn | None
    seconds: float
    error: str | None = None
    interrupted: bool = False
    outcome: Outcome | None = None
    lost: bool = False


@dataclass(frozen=True)
class Said:
    """A place has something to say, in one line."""

    text: str


Event = Started | Report | Done | Said


class Pool(Protocol):
    """Some places in which trials run."""

    def free(self) -> int:
        """Return how many trials could be taken in now."""

    def submit(self, job: Job) -> None:
        """Start a trial, or keep it until `wait`."""

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait for something to happen; return at once with what has."""

    def interrupt(self) -> None:
        """Ask all running trials to save what they have and stop."""

    def close(self) -> None:
        """End everything."""


class Blocking:
    """Drive a launcher that runs a batch and returns when all of it is over.

    Args:
        launcher: any of Hydra's.
        size: trials in a batch, > 0.
        folder_of: tells where a trial will write, without running it.
        trials: where the task, wherever it runs, finds which trial it is.
        settle: waits until a trial, by its number, runs nowhere; called where a batch broke.
    """

    def __init__(
        self,
        launcher: Launcher,
        *,
        size: int,
        folder_of: Callable[[Job], Path],
        trials: dict[int, Trial],
        settle: Callable[[int], None],
    ) -> None:
        self._launcher, self._size, self._settle = launcher, size, settle
        self._folder_of, self._trials = folder_of, trials
        self._jobs: list[Job] = []
        self._announced = False
        self._stopped = self._runs = False

    def free(self) -> int:
        """Return how many trials the batch still lacks."""
        return 0 if self._announced else self._size - len(self._jobs)

    def submit(self, job: Job) -> None:
        """Put a trial into the batch."""
        self._jobs.append(job)

    def wait(self, seconds: float) -> Sequence[Event]:
        """Tell where the batch will write, so that this is known whatever happens to it; then run it."""
        if self._jobs and not self._announced:
            self._announced = True
            folders = [self._folder_of(job) for job in self._jobs]
            for job, folder in zip(self._jobs, folders, strict=True):
                if job.attempt:
                    make_room(folder, job.attempt)
            return [Started(job.trial.number, folder) for job, folder in zip(self._jobs, folders, strict=True)]
        self._announced = False
        jobs, self._jobs = sorted(self._jobs, key=lambda job: job.trial.number), []
        events: list[Event] = []
        for batch in _consecutive(jobs):
            if self._stopped:
                events += [Done(job.trial.number, None, 0.0, interrupted=True) for job in batch]
            else:
                events += self._run(batch)
        if not jobs:
            time.sleep(seconds)
        return events

    def _run(self, batch: list[Job]) -> list[Event]:
        events: list[Event] = []
        began = time.perf_counter()
        self._runs = True
        self._trials.clear()
        self._trials.update((job.trial.number, job.trial) for job in batch)
        try:
            returns: Sequence[JobReturn | None] = self._launcher.launch(
                [list(job.overrides) for job in batch], initial_job_idx=batch[0].trial.number
            )
            error, stopped = None, False
        except (KeyboardInterrupt, SystemExit) as stop:
            returns, stopped = [None] * len(batch), self._stopped or isinstance(stop, KeyboardInterrupt)
            error = f"the task called sys.exit({stop.code})" if isinstance(stop, SystemExit) else None
        except Exception as failure:  # noqa: BLE001 - a launcher that cannot run a batch costs that batch
            returns, stopped, error = [_failed(failure)] * len(batch), False, None
            for job in batch:  # one that fails may make a launcher leave the others to themselves
                self._settle(job.trial.number)
        finally:
            self._runs = False
        seconds = (time.perf_counter() - began) / len(batch)
        for job, returned in zip(batch, returns, strict=True):
            events.append(Done(job.trial.number, returned, seconds, error, interrupted=stopped))
        return events

    def interrupt(self) -> None:
        """Stop the launcher, if it runs a batch: this is called where the signal came in."""
        self._stopped = True
        if self._runs:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Do nothing: the launcher has no process of ours."""


def _failed(failure: Exception) -> JobReturn:
    returned = JobReturn()
    returned.return_value = failure
    returned.status = JobStatus.FAILED
    return returned


def _consecutive(jobs: list[Job]) -> list[list[Job]]:
    """Split jobs into runs of consecutive numbers, which is what launchers can number."""
    batches: list[list[Job]] = []
    for job in jobs:
        if batches and batches[-1][-1].trial.number + 1 == job.trial.number:
            batches[-1].append(job)
        else:
            batches.append([job])
    return batches
