"""The Ray actor that holds the devices of a worker process on some node, and hands its events on to the driver.

Trials run in a child of the actor's process, as they do on one machine, so that a trial that crashes leaves the
actor alone. This module must not import Ray.
"""

import contextlib
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cloudpickle

from lightune.paths import use_plugin_folders
from lightune.study.definition.settings import Objective
from lightune.study.executors.ending import end_of
from lightune.study.executors.executor import Done, Event, Job, Message, Report, Started
from lightune.study.executors.local.executor import LocalExecutor
from lightune.study.executors.local.worker_handle import Slot
from lightune.study.storage.lease import has_lease
from lightune.study.storage.locks import claimed

__all__ = ["DriverPlace", "WorkerActor"]

_POLL_SECONDS = 1.0  # what the driver sends meanwhile waits as long


@dataclass(frozen=True)
class DriverPlace:
    """What of the driver's process a worker on another machine needs to be like one on the driver's own.

    Args:
        folder: the driver's current folder.
        path: its `sys.path`.
        argv: its `sys.argv`.
        environment: variables that the trials need.
        study: the study's folder, which both must see; None outside of a study.
        plugins: folders of Hydra's plugins.
    """

    folder: str
    path: tuple[str, ...]
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    study: Path | None
    plugins: tuple[str, ...]


class WorkerActor:
    """Run trials; every method returns what happened, packed by `cloudpickle`.

    Args:
        place: what its process is to be like.
        setup: as `LocalExecutor` takes it.
        owner: the name of the driver's lease.
        objectives: what the study is judged by; None outside of a study.
        capacity: trials at the same time, > 0.
    """

    def __init__(
        self,
        place: DriverPlace,
        setup: bytes,
        owner: str,
        objectives: Sequence[Objective] | None = None,
        capacity: int = 1,
    ) -> None:
        self._place, self._setup, self._owner, self._capacity = place, setup, owner, capacity
        self._objectives = objectives
        self._executor: LocalExecutor | None = None
        self._report: Report | None = None
        self._claims: dict[int, contextlib.ExitStack] = {}
        self._unclaimed: list[Job] = []
        self._announced: set[int] = set()  # trials that wait for their claims
        self._interrupted = False

    def open(self) -> str | None:
        """Start the process; return why it cannot be, in one line."""
        place, machine = self._place, platform.node()
        if place.study is not None and not has_lease(place.study, self._owner):
            return f"{machine} does not see the study's folder {place.study}"
        try:
            os.chdir(place.folder)
        except OSError as error:
            return f"{machine} does not see the folder {place.folder} ({error.strerror})"
        use_plugin_folders(place.plugins)
        sys.path[:] = dict.fromkeys([*place.path, *sys.path])
        sys.argv[:] = place.argv
        slot = Slot(dict(place.environment))
        self._executor = LocalExecutor(
            [slot],
            setup=self._setup,
            owner=self._owner,
            objectives=self._objectives,
            capacity=self._capacity,
        )
        return None

    def run(self, jobs: Sequence[Job]) -> bytes:
        """Begin trials, each once nothing else writes into its folder."""
        self._unclaimed += jobs
        return self.listen()

    def answer(self, stop: bool) -> bytes:
        """Answer the report that was last handed on."""
        assert self._report is not None
        self._report.answer(stop)
        return self.listen()

    def listen(self) -> bytes:
        """Wait for a trial to start, report or end."""
        assert self._executor is not None
        events = self._begin() or self._executor.wait(_POLL_SECONDS)
        return bytes(cloudpickle.dumps([self._plain(event) for event in events]))

    def _begin(self) -> Sequence[Event]:
        """Begin those trials that can be claimed; say of the others, once, that they wait."""
        assert self._executor is not None
        jobs, self._unclaimed = self._unclaimed, []
        if self._interrupted:
            return [end_of(job, objectives=self._objectives, interrupted=True) for job in jobs]
        for job in jobs:
            claim = contextlib.ExitStack()
            study, number = self._place.study, job.trial.number
            if study is None or claim.enter_context(claimed(study, number, wait=False)):
                self._claims[number] = claim
                self._executor.submit(job)
            else:
                self._unclaimed.append(job)
        waiting = [job.trial.number for job in self._unclaimed if job.trial.number not in self._announced]
        self._announced.update(waiting)
        return [
            Message(f"trial {number} waits: another process still writes into its folder") for number in waiting
        ]

    def interrupt(self) -> None:
        """Ask the trials to save and stop; those that wait are given back."""
        self._interrupted = True
        if self._executor is not None:
            self._executor.interrupt()

    def close(self) -> None:
        """End the process."""
        if self._executor is not None:
            self._executor.close()
        for claim in self._claims.values():
            claim.close()

    def _plain(self, event: Event) -> Started | Done | Message | tuple[int, int, float]:
        if isinstance(event, Report):
            self._report = event
            return event.number, event.step, event.value
        if isinstance(event, Done):
            self._claims.pop(event.number, contextlib.ExitStack()).close()
        return event
