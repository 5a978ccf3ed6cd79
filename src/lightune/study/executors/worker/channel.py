"""What a worker and its driver send each other.

The driver sends lists of jobs, and the answer to each report. The worker sends lists of what happened, so that
what ends at the same time is received at the same time. This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn

from lightune.private_api.hydra import returned_or_raised
from lightune.study.executors.executor import Done, Job
from lightune.study.executors.worker.interrupt import Interrupt
from lightune.study.hydra.run_job import PackedReturn

__all__ = ["Channel"]


class Channel:
    """The worker's end.

    Args:
        connection: to the driver.
        interrupt: deferred while something is sent.
    """

    def __init__(self, connection: Connection, interrupt: Interrupt) -> None:
        self._connection, self._interrupt = connection, interrupt
        self._jobs: list[Job] = []

    def jobs(self, *, wait: bool = True) -> list[Job]:
        """Return the trials that have come.

        Args:
            wait: whether to wait until some have.

        Raises:
            EOFError: if the driver has closed the connection.
        """
        while (wait and not self._jobs) or self._connection.poll():
            self._jobs += cloudpickle.loads(self._connection.recv_bytes())
        jobs, self._jobs = self._jobs, []
        return jobs

    def alone(self, number: int) -> None:
        """Say that nothing but this trial runs until its end is sent: if the process ends, it was that."""
        with self._interrupt.deferred():
            self._send([("alone", number)])

    def started(self, number: int, folder: Path) -> None:
        """Say where a trial will write."""
        with self._interrupt.deferred():
            self._send([("started", number, str(folder))])

    def report(self, number: int, step: int, value: float) -> bool:
        """Report a value of a trial; return whether it should stop."""
        with self._interrupt.deferred():
            self._send([("report", number, step, value)])
            while isinstance(received := cloudpickle.loads(self._connection.recv_bytes()), list):
                self._jobs += received
            return bool(received)

    def message(self, text: str) -> None:
        """Let the driver print a line."""
        with self._interrupt.deferred():
            self._send([("message", text)])

    def done(self, ended: Sequence[Done]) -> None:
        """Say how trials ended."""
        self._send([("done", done.number, done.outcome, _packed(done.returned)) for done in ended])

    def _send(self, content: list[tuple[Any, ...]]) -> None:
        self._connection.send_bytes(cloudpickle.dumps(content))


def _packed(returned: JobReturn | None) -> bytes:
    """Make what a job returned fit to travel; what cannot stays here, and its text goes in its place."""
    try:
        return bytes(cloudpickle.dumps(None if returned is None else PackedReturn.of(returned)))
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
        value = returned_or_raised(returned)
        kept.return_value = RuntimeError(str(value)) if isinstance(value, Exception) else repr(value)
        return bytes(cloudpickle.dumps(kept))
