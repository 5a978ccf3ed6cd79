"""Let a trial fail whose folder cannot be made, or is another trial's, before anything writes there.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lightune.errors import reason_of
from lightune.study.definition.settings import Objective
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Event, Executor, Job
from lightune.study.trial_folders import KEY, name_problem

__all__ = ["GuardedExecutor"]


class GuardedExecutor:
    """Run trials by another executor, but those whose folders are not their own.

    Args:
        executor: runs the others.
        folder_of: returns where a trial will write.
        taken: returns folder → number of the trials that have one.
        objectives: what the study is judged by.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        folder_of: Callable[[Job], Path],
        taken: Callable[[], Mapping[Path, int]],
        objectives: Sequence[Objective],
    ) -> None:
        self.executor, self._folder_of, self._taken = executor, folder_of, taken
        self._objectives = objectives
        self._begun: dict[Path, int] = {}
        self._refused: list[Done] = []

    def free(self) -> int:
        """Return how many trials could be submitted now."""
        return self.executor.free()

    def submit(self, job: Job) -> None:
        """Start a trial, or let it fail."""
        if (error := self._error(job)) is None:
            self.executor.submit(job)
        else:
            self._refused.append(end_of(job, objectives=self._objectives, error=error))

    def _error(self, job: Job) -> str | None:
        try:
            folder = self._folder_of(job)
        except Exception as error:  # noqa: BLE001 - a trial that cannot be named costs that trial
            return f"{KEY}: cannot be resolved: {reason_of(error)}"
        if (rule := name_problem(folder)) is not None:
            return f"{KEY}: {rule}"
        number = job.trial.number
        owner = {**self._taken(), **self._begun}.get(folder, number)
        if owner != number:
            return f"{KEY}: its folder {folder.name} is that of trial {owner}; add ${{hydra.job.num}} to the name"
        self._begun[folder] = number
        return None

    def wait(self, seconds: float) -> Sequence[Event]:
        """Return what has happened; at once where a trial has failed."""
        refused, self._refused = self._refused, []
        return [*refused, *self.executor.wait(0.0 if refused else seconds)]

    def interrupt(self) -> None:
        """Ask all running trials to save what they have and stop."""
        self.executor.interrupt()

    def close(self) -> None:
        """End all processes."""
        self.executor.close()
