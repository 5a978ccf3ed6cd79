"""Trials in batches, for launchers of others: one that runs a batch and returns when all of it is over."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from lightune.errors import one_line
from lightune.study.definition.settings import Objective
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Event, Job, Started
from lightune.study.outcome.attempts import make_room
from lightune.trial import Trial

__all__ = ["BatchExecutor"]


class BatchExecutor:
    """Run trials by any of Hydra's launchers, a batch at a time.

    Args:
        launcher: set up with the task.
        size: trials in a batch, > 0.
        objectives: what the study is judged by.
        folder_of: returns where a trial will write, without running it.
        trials: where the task, wherever it runs, finds which trial it is.
        settle: waits until a trial, by its number, runs nowhere; called where a batch broke.
    """

    def __init__(
        self,
        launcher: Launcher,
        *,
        size: int,
        objectives: Sequence[Objective],
        folder_of: Callable[[Job], Path],
        trials: dict[int, Trial],
        settle: Callable[[int], None],
    ) -> None:
        self._launcher, self._size, self._objectives, self._settle = launcher, size, objectives, settle
        self._folder_of, self._trials = folder_of, trials
        self._jobs: list[Job] = []
        self._folders: dict[int, Path] = {}  # of the batch, once it is announced
        self._interrupted = self._runs = False

    def free(self) -> int:
        """Return how many trials the batch still lacks."""
        return 0 if self._folders else self._size - len(self._jobs)

    def submit(self, job: Job) -> None:
        """Put a trial into the batch."""
        self._jobs.append(job)

    def wait(self, seconds: float) -> Sequence[Event]:
        """Announce where the batch will write, so that this is known whatever happens to it; then run it."""
        if self._jobs and not self._folders:
            refused = self._place()
            for job in self._jobs:
                if job.trial.attempt:
                    make_room(self._folders[job.trial.number], job.trial.attempt)
            return [*refused, *(Started(number, folder) for number, folder in self._folders.items())]
        jobs, self._jobs = sorted(self._jobs, key=lambda job: job.trial.number), []
        events: list[Event] = []
        for batch in _consecutive(jobs):
            if self._interrupted:
                events += [self._end(job, interrupted=True) for job in batch]
            else:
                events += self._run(batch)
        self._folders = {}
        if not jobs:
            time.sleep(seconds)
        return events

    def _place(self) -> list[Done]:
        """Note where each trial will write; one that cannot be composed, or is refused, fails by itself."""
        refused = []
        for job in self._jobs:
            try:
                self._folders[job.trial.number] = self._folder_of(job)
            except Exception as failure:  # noqa: BLE001 - whatever it is costs that trial
                error = one_line(failure)
                refused.append(end_of(job, objectives=self._objectives, error=error))
        self._jobs = [job for job in self._jobs if job.trial.number in self._folders]
        return refused

    def _run(self, batch: list[Job]) -> list[Done]:
        began = time.perf_counter()
        error: str | None = None
        interrupted = False
        self._runs = True
        self._trials.clear()
        self._trials.update((job.trial.number, job.trial) for job in batch)
        try:
            returns: Sequence[JobReturn | None] = self._launcher.launch(
                [list(job.overrides) for job in batch], initial_job_idx=batch[0].trial.number
            )
        except (KeyboardInterrupt, SystemExit) as stop:
            returns, interrupted = [None] * len(batch), self._interrupted
            error = f"the task called sys.exit({stop.code})" if isinstance(stop, SystemExit) else None
        except Exception as failure:  # noqa: BLE001 - a launcher that cannot run a batch costs that batch
            returns = [_failed(failure)] * len(batch)
            for job in batch:  # one that fails may make a launcher leave the others running
                self._settle(job.trial.number)
        finally:
            self._runs = False
        seconds = (time.perf_counter() - began) / len(batch)
        return [
            self._end(job, returned, seconds, error, interrupted=interrupted)
            for job, returned in zip(batch, returns, strict=True)
        ]

    def _end(
        self,
        job: Job,
        returned: JobReturn | None = None,
        seconds: float = 0.0,
        error: str | None = None,
        *,
        interrupted: bool,
    ) -> Done:
        folder = self._folders.get(job.trial.number)
        return end_of(job, objectives=self._objectives, folder=folder, returned=returned, seconds=seconds,
                      error=error, interrupted=interrupted)  # fmt: skip

    def interrupt(self) -> None:
        """Stop the launcher, if it runs a batch: this is called where the signal came in."""
        self._interrupted = True
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
