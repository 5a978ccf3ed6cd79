"""The worker process of one slot: it imports once, runs trials as they come, and ends with its parent.

Started as `python -m lightune.study.executors.worker.main CONNECTION LIFELINE`. It must not import
Optuna, torch or Lightning before a trial does.
"""

import contextlib
import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals

from lightune.config.trust import inherit
from lightune.errors import one_line
from lightune.paths import use_plugin_folders
from lightune.reporting.result import CONSOLE_FILE
from lightune.runtime.data_cache import keep_data
from lightune.runtime.disk import is_unwritable
from lightune.runtime.exit import leave
from lightune.runtime.stopwatch import Stopwatch
from lightune.study.executors.ending import EndedBeforeError, end_of, require_not_ended
from lightune.study.executors.executor import Done, Job
from lightune.study.executors.worker.channel import Channel
from lightune.study.executors.worker.interrupt import Interrupt
from lightune.study.executors.worker.isolation import as_found, give_memory_back
from lightune.study.executors.worker.setup import WorkerSetup
from lightune.study.hydra.composer import Composer, Composition
from lightune.study.hydra.run_job import run_job
from lightune.study.outcome.attempts import make_room
from lightune.study.outcome.judge import leave_traceback, signal_of
from lightune.trial import running

__all__ = ["Worker", "main"]

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Serve a driver until it closes the connection."""
    connection, lifeline = Connection(int(arguments[0])), int(arguments[1])
    _end_with_parent(lifeline)
    interrupt = Interrupt()
    place = pickle.loads(connection.recv_bytes())
    use_plugin_folders(place["plugins"])
    sys.path[:], sys.argv[:] = place["path"], place["argv"]
    os.chdir(place["folder"])
    if place["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, place["cpus"])
    setup_globals()
    setup: WorkerSetup = cloudpickle.loads(connection.recv_bytes())
    Singleton.set_state(setup.singletons)
    inherit(setup.trusted)
    faulthandler.enable()
    keep_data()
    worker = Worker(setup, Channel(connection, interrupt), interrupt)
    with contextlib.suppress(EOFError):  # which is how the driver says that it is over
        (setup.serve or serve_each)(worker)
    leave(0)


def _end_with_parent(lifeline: int) -> None:
    """End this process and its children when the driver dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


class Worker:
    """Runs trials in this process.

    Args:
        setup: from the driver.
        channel: to the driver.
        interrupt: handles signals.
    """

    def __init__(self, setup: WorkerSetup, channel: Channel, interrupt: Interrupt) -> None:
        self.context = replace(setup.context, report=channel.report, note_folder=channel.started)
        self.channel, self.interrupt = channel, interrupt
        self._composer = Composer(self.context.hydra_context.config_loader, self.context.config)

    def run(self, job: Job) -> Done:
        """Run one trial to its end."""
        watch = Stopwatch()
        returned: JobReturn | None = None
        folder: Path | None = None
        error: str | None = None
        left = unwritable = False  # by itself, with a signal that the trial has taken; for a full disk

        def started(path: Path) -> None:
            nonlocal folder
            folder = path
            self.context.note_folder(job.trial.number, path)

        try:
            with as_found():
                with self.interrupt.deferred():  # no signal breaks it: others follow
                    made = self._composer.compose_for_job(job.overrides)
                with self.interrupt.raised():
                    returned = self._run(job, made, started)
        except EndedBeforeError as ended:
            return ended.done
        except KeyboardInterrupt:
            error = "interrupted"
        except SystemExit as stop:
            error = f"the task called sys.exit({stop.code!r})"
            left = signal_of(stop, folder) is not None
        except BaseException as failure:  # noqa: BLE001 - whatever a trial raises costs that trial only
            error = one_line(failure)
            unwritable = is_unwritable(failure)
            if folder is not None and not unwritable:
                leave_traceback(folder, failure)
        return end_of(
            job,
            objectives=self.context.objectives,
            folder=folder,
            returned=returned,
            seconds=watch.seconds(),
            error=error,
            interrupted=left or self.interrupt.asked,
            unwritable=unwritable,
        )

    def _run(self, job: Job, made: Composition, started: Callable[[Path], None]) -> JobReturn:
        context, number = self.context, job.trial.number

        def report(step: int, value: float) -> bool:
            return context.report(number, step, value)

        with contextlib.ExitStack() as stack:

            def begin(folder: Path) -> None:
                started(folder)
                make_room(folder, job.trial.attempt)
                require_not_ended(job, folder, context.objectives)
                stack.enter_context(_console(folder / CONSOLE_FILE))
                stack.enter_context(running(replace(job.trial, report=report)))

            return run_job(
                made,
                number=number,
                context=context.hydra_context,
                task_function=context.task_function,
                started=begin,
            )


def serve_each(worker: Worker) -> None:
    """Run trials one after another.

    Raises:
        EOFError: when the driver has closed the connection.
    """
    while True:
        for job in worker.channel.jobs():
            done = worker.run(job)
            worker.interrupt.asked = False  # a trial that was stopped by hand does not stop the next
            worker.channel.done([done])
            give_memory_back()


@contextlib.contextmanager
def _console(file: Path) -> Iterator[None]:
    """Redirect what a trial, and the libraries under it, print to a file of its own."""
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    saved = [os.dup(1), os.dup(2)]
    try:
        _flush()
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        _flush()
        for number, original in enumerate(saved, start=1):
            os.dup2(original, number)
            os.close(original)
        os.close(target)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):
            stream.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
