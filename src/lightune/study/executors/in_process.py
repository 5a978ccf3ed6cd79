"""Run trials one after another in the sweeper's own process, where a debugger can follow them."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lightune.runtime.stopwatch import Stopwatch
from lightune.study.executors.executor import Done, Event, Job, Started
from lightune.study.executors.worker.isolation import as_found
from lightune.study.hydra.composer import Composer
from lightune.study.hydra.run_job import run_job
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.judge import signal_of
from lightune.trial import running

__all__ = ["InProcess"]


class InProcess:
    """What `hydra/launcher=basic` means in a study.

    Args:
        config: of the multirun.
        context: as Hydra hands it to a launcher.
        task_function: what a trial runs.
        note: told a trial's number and folder before anything is written there.
        report: takes (number, step, value) and tells whether the trial should stop.
    """

    def __init__(
        self,
        config: DictConfig,
        *,
        context: HydraContext,
        task_function: TaskFunction,
        note: Callable[[int, Path], None],
        report: Callable[[int, int, float], bool],
    ) -> None:
        self._context, self._task_function = context, task_function
        self._note, self._report = note, report
        self._composer = Composer(context.config_loader, config)
        self._job: Job | None = None
        self._stopped = self._runs = False

    def free(self) -> int:
        """Return whether there is room for a trial."""
        return int(self._job is None)

    def submit(self, job: Job) -> None:
        """Keep a trial until `wait`."""
        self._job = job

    def wait(self, seconds: float) -> Sequence[Event]:
        """Run the trial."""
        job, self._job = self._job, None
        if job is None:
            time.sleep(seconds)
            return []
        number, watch = job.trial.number, Stopwatch()
        folders: list[Path] = []
        returned: JobReturn | None = None
        error, interrupted = None, self._stopped
        try:
            if not self._stopped:
                returned = self._run(job, folders)
        except KeyboardInterrupt:
            interrupted = True
        except SystemExit as stop:
            error, interrupted = f"the task called sys.exit({stop.code!r})", self._stopped
            if (taken := signal_of(stop, folders[0] if folders else None)) is not None:
                signal.raise_signal(taken)  # the sweeper must hear of it too
                interrupted = True
        except Exception as failure:  # noqa: BLE001 - a configuration that cannot be composed costs that trial
            error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
        done = Done(number, returned, watch.seconds(), error, interrupted=interrupted)
        return [*(Started(number, folder) for folder in folders), done]

    def _run(self, job: Job, folders: list[Path]) -> JobReturn:
        number = job.trial.number
        seen = replace(job.trial, report=lambda step, value: self._report(number, step, value))

        def begin(folder: Path) -> None:
            folders.append(folder)
            self._note(number, folder)
            make_room(folder, job.attempt)

        with as_found(), running(seen), self._running():
            return run_job(
                self._composer.compose_for_job(job.overrides),
                number=number,
                job_id=str(number),
                context=self._context,
                task_function=self._task_function,
                started=begin,
            )

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._runs = True
        try:
            yield
        finally:
            self._runs = False

    def interrupt(self) -> None:
        """Stop the task that runs, if one does: this is called where the signal came in."""
        self._stopped = True
        if self._runs:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Do nothing: there is no process of ours."""
