"""A trial in a process, or on a machine, to which a launcher took it that knows nothing of trials."""

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

from lightune.errors import StorageError, TrialError
from lightune.study.definition.settings import Objective, Settings
from lightune.study.outcome.judge import conclude
from lightune.study.outcome.outcome import Outcome, read_outcome
from lightune.study.storage.lease import lives
from lightune.study.storage.locks import claimed
from lightune.trial import PrunedError, Trial, running

__all__ = ["URL_VARIABLE", "CarriedTask"]

URL_VARIABLE = "LIGHTUNE_STUDY_STORAGE"
"""Environment variable that holds a storage's URL with its password, which no file may hold."""

_LOOK_EVERY = 2.0  # seconds
_FAREWELL_SECONDS = 60.0


class CarriedTask:
    """Tell a task which trial it is; its reports go by the study's storage, and it ends with its sweeper.

    Args:
        task: what a trial runs.
        study: the study's folder, on storage that all machines share.
        settings: how it searches.
        owner: the name of the sweeper's lease.
    """

    def __init__(self, task: TaskFunction, *, study: Path, settings: Settings, owner: str) -> None:
        self._task, self._study, self._owner = task, study, owner
        self._settings = replace(settings, storage=None)
        self._in_database = settings.storage is not None
        self.trials: dict[int, Trial] = {}

    def __call__(self, config: DictConfig) -> Any:
        """Run the task as the trial whose number the job has."""
        number = HydraConfig.get().job.num
        trial = self.trials.get(number)
        if trial is None:
            return self._task(config)
        with claimed(self._study, number):
            folder, objectives = Path(HydraConfig.get().runtime.output_dir), self._settings.objectives
            over = read_outcome(folder, objectives)
            if over is not None and over.is_final:  # by the one that it was taken from
                return _told(over)
            with (
                _ending_with(self._study, self._owner),
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


def _told(outcome: Outcome) -> Any:
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
            conclude(returned, folder, objectives, seconds=time.perf_counter() - began)


@contextmanager
def _ending_with(study: Path, owner: str) -> Iterator[None]:
    """Stop this process when the sweeper that sent it is gone: whoever goes on with the study takes its trial."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY):
            if not lives(study, owner):
                os.kill(os.getpid(), signal.SIGINT)
                if not over.wait(_FAREWELL_SECONDS):
                    os.kill(os.getpid(), signal.SIGKILL)
                return

    threading.Thread(target=watch, daemon=True, name="sweeper").start()
    try:
        yield
    finally:
        over.set()
