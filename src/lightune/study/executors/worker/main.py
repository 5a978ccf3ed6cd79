"""The process of one slot: it imports once, runs trials as they come, and ends with its parent.

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
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals

from lightune.runtime.data_cache import keep_data
from lightune.runtime.exit import leave
from lightune.runtime.stopwatch import Stopwatch
from lightune.study.executors.executor import Done, Job
from lightune.study.executors.worker.channel import Interrupt, Line
from lightune.study.executors.worker.isolation import as_found, give_memory_back
from lightune.study.hydra.composer import Composer
from lightune.study.hydra.run_job import run_job
from lightune.study.outcome.attempts import has_room, make_room
from lightune.study.outcome.judge import conclude, leave_traceback, signal_of
from lightune.study.outcome.outcome import Outcome, Status, read_outcome
from lightune.trial import running

__all__ = ["Inheritance", "Service", "main"]

CONSOLE = "console.log"
_PR_SET_PDEATHSIG = 1


class Inheritance:
    """What the driver sends a worker once: where it is, and what it is to run.

    Args:
        hydra_context: of the multirun; its loader reads the study's own configuration files.
        task_function: what a trial runs.
        config: of the multirun.
        objectives: what the study is judged by; None if it is no study, and nobody judges.
        serve: runs the trials; one after another by default.
    """

    def __init__(
        self,
        *,
        hydra_context: Any,
        task_function: Any,
        config: Any,
        objectives: Any,
        serve: "Callable[[Service], None] | None" = None,
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        self.objectives = objectives
        self.serve = serve
        self.singletons = Singleton.get_state()


def main(arguments: list[str]) -> None:
    """Serve a driver until it closes the connection."""
    connection, lifeline = Connection(int(arguments[0])), int(arguments[1])
    _end_with_parent(lifeline)
    interrupt = Interrupt()
    place = pickle.loads(connection.recv_bytes())
    sys.path[:], sys.argv[:] = place["path"], place["argv"]
    os.chdir(place["folder"])
    if place["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, place["cpus"])
    setup_globals()
    inherited: Inheritance = cloudpickle.loads(connection.recv_bytes())
    Singleton.set_state(inherited.singletons)
    faulthandler.enable()
    keep_data()
    service = Service(inherited, Line(connection, interrupt), interrupt)
    with contextlib.suppress(EOFError):  # which is how the driver says that it is over
        (inherited.serve or serve_each)(service)
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


class Service:
    """What a worker runs trials with.

    Args:
        inherited: from the driver.
        line: to the driver.
        interrupt: hears signals.
    """

    def __init__(self, inherited: Inheritance, line: Line, interrupt: Interrupt) -> None:
        self.inherited, self.line, self.interrupt = inherited, line, interrupt
        self._composer = Composer(inherited.hydra_context.config_loader, inherited.config)

    def run(self, job: Job) -> Done:
        """Run one trial to its end."""
        watch = Stopwatch()
        number = job.trial.number
        returned: JobReturn | None = None
        folder: Path | None = None
        error: str | None = None
        left = False  # by itself, with a signal that the trial has taken

        def started(path: Path) -> None:
            nonlocal folder
            folder = path
            self.line.started(number, path)

        try:
            with as_found(), self.interrupt.job():
                returned = self._run(job, started)
        except _OverError as over:
            return Done(number, None, over.outcome.seconds, outcome=over.outcome)
        except KeyboardInterrupt:
            error = "interrupted"
        except SystemExit as stop:
            error = f"the task called sys.exit({stop.code!r})"
            left = signal_of(stop, folder) is not None
        except BaseException as failure:  # noqa: BLE001 - whatever a trial raises costs that trial only
            error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
            if folder is not None:
                leave_traceback(folder, failure)
        done = Done(number, returned, watch.seconds(), error, interrupted=left or self.interrupt.asked)
        return self.judged(job, done, folder)

    def judged(self, job: Job, done: Done, folder: Path | None) -> Done:
        """Judge how a trial ended, here, where it ran.

        Args:
            job: the trial.
            done: what is known of its end.
            folder: where it wrote; None if that was not known yet.
        """
        if folder is not None and not has_room(folder, job.attempt):
            folder = None  # it is still that of a start that failed
        if self.inherited.objectives is None:
            status: Status = "interrupted" if done.interrupted else "completed" if done.returned else "failed"
            return replace(done, outcome=Outcome(status, None, done.seconds, done.error))
        outcome = conclude(
            done.returned,
            folder,
            self.inherited.objectives,
            seconds=done.seconds,
            error=done.error,
            interrupted=done.interrupted,
        )
        return replace(done, outcome=outcome)

    def _run(self, job: Job, started: Callable[[Path], None]) -> JobReturn:
        inherited, number = self.inherited, job.trial.number

        def report(step: int, value: float) -> bool:
            return self.line.report(number, step, value)

        with contextlib.ExitStack() as stack:

            def begin(folder: Path) -> None:
                started(folder)
                make_room(folder, job.attempt)
                if job.trial.resume and inherited.objectives is not None:
                    _require_open(folder, inherited)
                stack.enter_context(_console(folder / CONSOLE))
                stack.enter_context(running(replace(job.trial, report=report)))

            made = self._composer.compose_for_job(job.overrides)
            return run_job(
                made,
                number=number,
                job_id=f"{made.whole.hydra.job.name}_{number}",
                context=inherited.hydra_context,
                task_function=inherited.task_function,
                started=begin,
            )


def serve_each(service: Service) -> None:
    """Run trials one after another until the driver closes the line."""
    while True:
        for job in service.line.jobs():
            done = service.run(job)
            service.interrupt.asked = False  # a trial that was stopped by hand does not stop the next
            service.line.done([done])
            give_memory_back()


class _OverError(Exception):
    """A trial that was to go on has been finished meanwhile by the one that it was taken from."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.status)


def _require_open(folder: Path, inherited: Inheritance) -> None:
    outcome = read_outcome(folder, inherited.objectives)
    if outcome is not None and outcome.is_final:
        raise _OverError(outcome)


@contextlib.contextmanager
def _console(file: Path) -> Iterator[None]:
    """Let a trial, and the libraries under it, write to a file of its own instead of the terminal."""
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
