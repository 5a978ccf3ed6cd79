"""The process of one slot: it imports once, runs one trial after another, and ends with its parent.

Started as `python -m lightune.study.worker CONNECTION LIFELINE`. It must not import Optuna, torch or Lightning
before a trial does.
"""

import contextlib
import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals

from lightune.study.attempts import has_room, make_room
from lightune.study.clean import as_found, give_memory_back
from lightune.study.composer import Composer
from lightune.study.conclude import conclude, leave_traceback, signal_of
from lightune.study.job import PackedReturn, run_job
from lightune.study.outcome import Outcome, read_outcome
from lightune.study.pools import Job
from lightune.study.trial import running
from lightune.warm import keep_data

__all__ = ["Inheritance", "main"]

CONSOLE = "console.log"
_PR_SET_PDEATHSIG = 1


class Interrupt:
    """SIGINT means: save and stop. It reaches the trial that runs or is on its way here, and nothing else."""

    def __init__(self) -> None:
        self.asked = False
        self._raises = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # Ray's processes block them

    def _on_signal(self, *_: Any) -> None:
        self.asked = True
        if self._raises:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def job(self) -> Iterator[None]:
        """Let a signal reach what runs inside, also one that came a little before."""
        self._raises = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until what is said inside has been answered."""
        self._raises = False
        yield
        self._raises = True
        if self.asked:
            raise KeyboardInterrupt


class Inheritance:
    """What the driver sends a worker once: where it is, and what it is to run.

    Args:
        hydra_context: of the multirun; its loader reads the study's own configuration files.
        task_function: what a trial runs.
        config: of the multirun.
        objectives: what the study is judged by; None if it is no study, and nobody judges.
    """

    def __init__(self, *, hydra_context: Any, task_function: Any, config: Any, objectives: Any) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        self.objectives = objectives
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
    composer = Composer(inherited.hydra_context.config_loader, inherited.config)
    while True:
        try:
            job: Job = cloudpickle.loads(connection.recv_bytes())
        except EOFError:
            return
        done = _serve(job, inherited, composer, connection, interrupt)
        interrupt.asked = False  # a trial that was stopped by hand does not stop the next
        connection.send_bytes(done)
        give_memory_back()


def _end_with_parent(lifeline: int) -> None:
    """End this process and its children when the driver dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


def _serve(
    job: Job, inherited: Inheritance, composer: Composer, connection: Connection, interrupt: Interrupt
) -> bytes:
    """Run one trial; return its end as bytes."""
    began = time.perf_counter()
    returned: JobReturn | None = None
    folder: Path | None = None
    error: str | None = None

    def started(path: Path) -> None:
        nonlocal folder
        folder = path
        with interrupt.held():
            connection.send_bytes(cloudpickle.dumps(("started", str(path))))

    try:
        with as_found(), interrupt.job():
            returned = _run(job, inherited, composer, connection, started, interrupt)
    except _OverError as over:
        return _packed(None, over.outcome, over.outcome.seconds)
    except KeyboardInterrupt:
        error = "interrupted"
    except SystemExit as stop:
        error = f"the task called sys.exit({stop.code!r})"
        interrupt.asked = interrupt.asked or signal_of(stop, folder) is not None
    except BaseException as failure:  # noqa: BLE001 - whatever a trial raises costs that trial only
        error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
        if folder is not None:
            leave_traceback(folder, failure)
    seconds = time.perf_counter() - began
    if folder is not None and not has_room(folder, job.attempt):
        folder = None  # it is still that of a start that failed
    if inherited.objectives is None:
        return _packed(returned, Outcome("completed" if returned else "failed", None, seconds, error), seconds)
    outcome = conclude(
        returned, folder, inherited.objectives, seconds=seconds, error=error, interrupted=interrupt.asked
    )
    return _packed(returned, outcome, seconds)


def _run(
    job: Job,
    inherited: Inheritance,
    composer: Composer,
    connection: Connection,
    started: Callable[[Path], None],
    interrupt: Interrupt,
) -> JobReturn:
    def report(step: int, value: float) -> bool:
        with interrupt.held():
            connection.send_bytes(cloudpickle.dumps(("report", step, value)))
            return bool(cloudpickle.loads(connection.recv_bytes()))

    with contextlib.ExitStack() as stack:

        def begin(folder: Path) -> None:
            started(folder)
            make_room(folder, job.attempt)
            if job.trial.resume:
                _require_open(folder, inherited)
            stack.enter_context(_console(folder / CONSOLE))
            stack.enter_context(running(replace(job.trial, report=report)))

        number = job.trial.number
        made = composer.compose_for_job(job.overrides)
        return run_job(
            made,
            number=number,
            job_id=f"{made.whole.hydra.job.name}_{number}",
            context=inherited.hydra_context,
            task_function=inherited.task_function,
            started=begin,
        )


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


def _packed(returned: JobReturn | None, outcome: Outcome, seconds: float) -> bytes:
    """Pack the end of a trial; what cannot travel stays here, and its text goes in its place."""
    try:
        light = None if returned is None else PackedReturn.of(returned)
        return bytes(cloudpickle.dumps(("done", light, outcome, seconds)))
    except Exception:  # noqa: BLE001 - anything can be unpicklable, and in any way
        assert returned is not None
        kept = JobReturn(
            overrides=returned.overrides,
            cfg=returned.cfg,
            hydra_cfg=returned.hydra_cfg,
            working_dir=returned.working_dir,
            task_name=returned.task_name,
        )
        kept.status = returned.status
        value = returned._return_value
        kept._return_value = RuntimeError(str(value)) if isinstance(value, Exception) else repr(value)
        return bytes(cloudpickle.dumps(("done", kept, outcome, seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
