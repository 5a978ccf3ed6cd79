"""The task of a trial where a launcher of others runs it: in a process or on a machine that knows no trials."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import TaskFunction
from omegaconf import DictConfig

from lightune.config.trust import inherit, trusted
from lightune.errors import StorageError, TrialError
from lightune.study.definition.settings import Objective, Settings
from lightune.study.outcome.judge import judge
from lightune.study.outcome.outcome import Outcome, read_outcome
from lightune.study.storage.lease import has_lease, lives
from lightune.study.storage.locks import claimed
from lightune.trial import PrunedError, Trial, running

__all__ = ["URL_VARIABLE", "WrappedTask"]

URL_VARIABLE = "LIGHTUNE_STUDY_STORAGE"
"""Environment variable that holds a storage's URL with its password, which no file may hold."""


class WrappedTask:
    """Tell a task which trial it is; its reports go by the study's storage, and it ends with its sweeper.

    Args:
        task: what a trial runs.
        study: the study's folder, on storage that all machines share.
        settings: how it searches.
        owner: the name of the sweeper's lease.
        check_seconds: time between two looks at that lease, > 0.
        grace_seconds: time to save and stop once it has ended, > 0.
    """

    def __init__(
        self,
        task: TaskFunction,
        *,
        study: Path,
        settings: Settings,
        owner: str,
        check_seconds: float = 2.0,
        grace_seconds: float = 60.0,
    ) -> None:
        self._task, self._study, self._owner = task, study, owner
        self._check_seconds, self._grace_seconds = check_seconds, grace_seconds
        self._settings = replace(settings, storage=None)
        self._in_database = settings.storage is not None
        self._trusted = trusted()
        self.trials: dict[int, Trial] = {}

    def __call__(self, config: DictConfig) -> Any:
        """Run the task as the trial whose number the job has."""
        inherit(self._trusted)
        number = HydraConfig.get().job.num
        trial = self.trials.get(number)
        if trial is None:
            return self._task(config)
        with claimed(self._study, number):
            folder, objectives = Path(HydraConfig.get().runtime.output_dir), self._settings.objectives
            before = read_outcome(folder, objectives)
            if before is not None and before.is_final:  # by the process that it was taken from
                return _repeat(before)
            with (
                self._ending_with_sweeper(),
                running(replace(trial, report=self._reporter(number))),
                _committed(folder, objectives) as returned,
            ):
                returned.return_value = self._task(config)
                returned.status = JobStatus.COMPLETED
            return returned.return_value

    def _reporter(self, number: int) -> Any:
        opened: list[Any] = []

        def report(step: int, value: float) -> bool:
            from lightune.study.storage.trial_store import report_to

            if not opened:
                opened.append(self._open())
            return report_to(opened[0], number, step, value)

        return report

    def _open(self) -> Any:
        import optuna

        from lightune.study.storage.backends import open_storage
        from lightune.study.storage.samplers import make_pruner

        url = os.environ.get(URL_VARIABLE)
        if self._in_database and url is None:
            rule = f"the job's environment lacks {URL_VARIABLE}, which the sweeper sets"
            key = self._settings.vocabulary.key("storage")
            raise StorageError(f"{key}: {rule}; let the launcher hand its environment on")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(url if self._in_database else None, self._study)
        sampler, pruner = optuna.samplers.RandomSampler(0), make_pruner(self._settings)
        return optuna.load_study(study_name=self._study.name, storage=storage, sampler=sampler, pruner=pruner)

    @contextmanager
    def _ending_with_sweeper(self) -> Iterator[None]:
        """Stop this process when the sweeper that sent it is gone: whoever resumes the study takes its trial."""
        over, owner = threading.Event(), _Owner(self._study, self._owner)

        def watch() -> None:
            while not over.wait(self._check_seconds):
                if not owner.lives():
                    os.kill(os.getpid(), signal.SIGINT)
                    if not over.wait(self._grace_seconds):
                        os.kill(os.getpid(), signal.SIGKILL)
                    return

        threading.Thread(target=watch, daemon=True, name="sweeper").start()
        try:
            yield
        finally:
            over.set()


class _Owner:
    """The sweeper, as seen from a machine that may not see its locks: not every file system shares them.

    Where the lock of a lease was never seen, only the lease's removal says that its owner is gone.

    Args:
        study: the study's folder.
        name: of the sweeper's lease.
    """

    def __init__(self, study: Path, name: str) -> None:
        self._study, self._name = study, name
        self._shares_locks = self._is_held()

    def _is_held(self) -> bool:
        try:
            return lives(self._study, self._name)
        except OSError:  # there are no locks at all
            return False

    def lives(self) -> bool:
        """Return whether the sweeper is not known to be gone."""
        held = self._is_held()
        self._shares_locks = self._shares_locks or held
        return held or (not self._shares_locks and has_lease(self._study, self._name))


def _repeat(outcome: Outcome) -> Any:
    """Return, or raise, what a task did that ended like this."""
    if outcome.status == "pruned":
        raise PrunedError
    if outcome.values is None:
        raise TrialError(outcome.error or "it failed")
    return outcome.values if len(outcome.values) > 1 else next(iter(outcome.values), None)


@contextmanager
def _committed(folder: Path, objectives: Sequence[Objective]) -> Iterator[JobReturn]:
    """See to it that a trial's folder says how it ended, whatever becomes of the others of its batch."""
    returned, began = JobReturn(), time.perf_counter()
    try:
        yield returned
    except Exception as error:
        returned.return_value, returned.status = error, JobStatus.FAILED
        raise
    finally:
        if returned.status != JobStatus.UNKNOWN:
            judge(returned, folder, objectives, seconds=time.perf_counter() - began)
