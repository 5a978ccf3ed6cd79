"""Run trials one after another in the driver's own process, where a debugger can follow them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hydra.core.utils import JobReturn

from lightune.errors import one_line
from lightune.runtime.disk import is_unwritable
from lightune.runtime.signals import raise_stop
from lightune.runtime.stopwatch import Stopwatch
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.ending import EndedBeforeError, end_of, require_not_ended
from lightune.study.executors.executor import Event, Job, Started
from lightune.study.executors.worker.isolation import as_found
from lightune.study.hydra.composer import Composer
from lightune.study.hydra.run_job import run_job
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.judge import signal_of
from lightune.trial import running

__all__ = ["InProcessExecutor"]


class InProcessExecutor:
    """What `hydra/launcher=basic` means in a study.

    Args:
        context: what the trials belong to.
    """

    def __init__(self, context: ExecutorContext) -> None:
        self._context = context
        self._composer = Composer(context.hydra_context.config_loader, context.config)
        self._job: Job | None = None
        self._interrupted = self._runs = False

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
        watch = Stopwatch()
        folders: list[Path] = []
        returned: JobReturn | None = None
        error: str | None = None
        unwritable = False
        try:
            if not self._interrupted:
                returned = self._run(job, folders)
        except EndedBeforeError as ended:
            return [*(Started(job.trial.number, folder) for folder in folders), ended.done]
        except KeyboardInterrupt:
            error = None if self._interrupted else "the task raised KeyboardInterrupt"
        except SystemExit as stop:
            error = f"the task called sys.exit({stop.code!r})"
            if (taken := signal_of(stop, folders[0] if folders else None)) is not None:
                raise_stop(taken)  # the driver must hear of it too
        except Exception as failure:  # noqa: BLE001 - a configuration that cannot be composed costs that trial
            error = one_line(failure)
            unwritable = is_unwritable(failure)
        done = end_of(
            job,
            objectives=self._context.objectives,
            folder=folders[0] if folders else None,
            returned=returned,
            seconds=watch.seconds(),
            error=error,
            interrupted=self._interrupted and returned is None,
            unwritable=unwritable,
        )
        return [*(Started(job.trial.number, folder) for folder in folders), done]

    def _run(self, job: Job, folders: list[Path]) -> JobReturn:
        context, number = self._context, job.trial.number
        seen = replace(job.trial, report=lambda step, value: context.report(number, step, value))

        def begin(folder: Path) -> None:
            folders.append(folder)
            context.note_folder(number, folder)
            make_room(folder, job.trial.attempt)
            require_not_ended(job, folder, context.objectives)

        with as_found(), running(seen):
            made = self._composer.compose_for_job(job.overrides)  # which no signal breaks: others follow
            with self._running():
                return run_job(
                    made,
                    number=number,
                    context=context.hydra_context,
                    task_function=context.task_function,
                    started=begin,
                )

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._runs = True
        try:
            if self._interrupted:  # meanwhile
                raise KeyboardInterrupt
            yield
        finally:
            self._runs = False

    def interrupt(self) -> None:
        """Stop the task that runs, if one does: this is called where the signal came in."""
        self._interrupted = True
        if self._runs:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Do nothing: there is no process of ours."""
