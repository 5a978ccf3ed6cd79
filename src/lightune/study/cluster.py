"""A study's places on a Ray cluster: as many as it has room for, each filled as soon as it is free.

Built with hydra-ray-launcher, which connects to Ray; its own launcher waits for whole batches. This module imports
Ray only when it is called.
"""

import importlib
import importlib.util
import math
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
from omegaconf import DictConfig, OmegaConf

from lightune.config.secrets import secret_values
from lightune.errors import ConfigError, Problem
from lightune.study.host import Host, Place
from lightune.study.pools import Done, Event, Job, Report, Said, Started
from lightune.study.settings import Settings

__all__ = ["Cluster", "connect", "needs_of", "open_cluster", "reach", "room_for"]

_TARGET = "hydra_plugins.hydra_lightune.cluster.ClusterLauncher"
_ADDRESS = "hydra.launcher.ray.init.address"
_ANSWER_SECONDS = 10.0
_ATTEMPTS = "2"  # of Ray, half a minute each
_FAREWELL_SECONDS = 10.0
_MOST_FAILED_STARTS = 3
_CONNECTED: list[bool] = []


def reach(config: DictConfig) -> None:
    """Connect to the cluster, if that is the launcher of a multirun; refuse what cannot be reached.

    Args:
        config: of the multirun.

    Raises:
        ConfigError: if Ray is not installed, or does not answer.
    """
    if OmegaConf.select(config, "hydra.launcher._target_") == _TARGET:
        connect(config.hydra.launcher.ray.init)


def connect(init: DictConfig) -> None:
    """Connect to a Ray cluster, or start one on this machine where there is none; once in a process.

    Args:
        init: the arguments of `ray.init`.

    Raises:
        ConfigError: if Ray is not installed, or does not answer.
    """
    if (
        importlib.util.find_spec("ray") is None
        or importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is None
    ):
        rule = "'cluster' needs Ray, which is not installed; install it with: pip install 'lightune[ray]'"
        raise ConfigError([Problem("hydra/launcher", rule)])
    arguments = OmegaConf.create(OmegaConf.to_container(init, resolve=True))
    assert isinstance(arguments, DictConfig)
    address = arguments.get("address") or os.environ.get("RAY_ADDRESS")
    if address:
        _knock(address)
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", _ATTEMPTS)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray sends statistics of use to its makers otherwise
    from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray

    ray = _ray()
    if ray.is_initialized():
        return
    try:
        start_ray(arguments)
    except Exception as error:
        reason = " ".join(str(error).split())
        rule = f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
        raise ConfigError([Problem(_ADDRESS, f"{rule} ({reason}); start it with: ray start --head")]) from error
    _CONNECTED.append(True)


def _ray() -> Any:
    return importlib.import_module("ray")


def _knock(address: str) -> None:
    """See at once whether somebody listens; Ray would try for many minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        rule = f"no Ray cluster answers at {address} ({error.strerror or error}); start one with: ray start --head"
        raise ConfigError([Problem(_ADDRESS, rule)]) from error


def needs_of(settings: Settings, config: DictConfig, remote: Mapping[str, Any], *, gpus: bool) -> dict[str, float]:
    """Return what a trial needs, by Ray's names of resources.

    Args:
        settings: how many GPUs a trial has, or how many trials a GPU.
        config: of the multirun; a trainer on the CPU leaves the GPUs alone.
        remote: options of the actor, which win.
        gpus: whether the cluster has any.

    Raises:
        ConfigError: if a trial is to have several GPUs and to share them.
    """
    if settings.gpus_per_job > 1 and settings.jobs_per_gpu > 1:
        rule = "must be 1 where a trial has several GPUs"
        raise ConfigError([Problem("search.jobs_per_gpu", f"{rule}, got {settings.jobs_per_gpu}")])
    accelerator = OmegaConf.select(config, "trainer.accelerator")
    on_gpu = accelerator in ("gpu", "cuda") or (gpus and accelerator != "cpu")
    needs = {"CPU": float(remote.get("num_cpus", 1))}
    needs["GPU"] = float(remote.get("num_gpus", settings.gpus_per_job / settings.jobs_per_gpu if on_gpu else 0))
    needs.update({str(name): float(amount) for name, amount in (remote.get("resources") or {}).items()})
    return {name: amount for name, amount in needs.items() if amount > 0}


def room_for(needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials fit on a cluster at the same time.

    Args:
        needs: of one trial.
        nodes: resources of each node.
    """
    return sum(
        int(min((node.get(name, 0.0) / amount + 1e-9 for name, amount in needs.items()), default=0))
        for node in nodes
    )


def open_cluster(
    launcher: DictConfig,
    *,
    settings: Settings,
    config: DictConfig,
    most: int,
    inheritance: bytes,
    owner: str,
    study: Path | None = None,
    capacity: int = 1,
) -> "Cluster":
    """Start a study's processes on a cluster.

    Args:
        launcher: `init` and `remote`, as the launcher has them.
        settings: how many trials at the same time, and what devices for each.
        config: of the multirun.
        most: places that are of use, > 0.
        inheritance: what every worker is sent, once, as `cloudpickle` packs it.
        owner: the name of the driver's lease.
        study: the study's folder.
        capacity: trials of a place at the same time, > 0.

    Raises:
        ConfigError: if the cluster cannot be reached, or no node of it could ever hold a trial.
    """
    connect(launcher.init)
    ray = _ray()
    remote: dict[str, Any] = dict(OmegaConf.to_container(launcher.remote, resolve=True))  # type: ignore[arg-type]
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    needs = needs_of(settings, config, remote, gpus=any(node.get("GPU") for node in nodes))
    room = room_for(needs, nodes)
    wanted = settings.n_jobs or room or 1
    if room < min(wanted, most):
        amounts = ", ".join(f"{amount:g} {name}" for name, amount in needs.items())
        print(
            f"the Ray cluster has room for {room} of {wanted} trials ({amounts} each); the others wait for nodes"
        )
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(int(needs.get("CPU", 1)), 1))
    place = Place(
        folder=os.getcwd(),
        path=tuple(sys.path),
        argv=tuple(sys.argv),
        environment={**_environment(config), "OMP_NUM_THREADS": threads},
        study=study,
    )
    options = {
        "scheduling_strategy": "SPREAD",
        **remote,
        "num_cpus": needs.get("CPU", 0),
        "num_gpus": needs.get("GPU", 0),
    }
    return Cluster(
        max(min(wanted, most), 1),
        options=options,
        place=place,
        inheritance=inheritance,
        owner=owner,
        capacity=capacity,
        room=room,
    )


def _environment(config: DictConfig) -> dict[str, str]:
    """Return the variables that a configuration asks for, and lightune's own; Ray's nodes know none of ours."""
    asked = {name: value for value, name in secret_values(config).items()}
    return {**asked, **{name: value for name, value in os.environ.items() if name.startswith("LIGHTUNE_")}}


@dataclass
class _Seat:
    """A place of the cluster, seen from here: its actor, and the call of it that we wait for."""

    actor: Any
    call: Any
    open: bool = False
    replaces: bool = False
    asks: bool = False
    began: dict[int, float] = field(default_factory=dict)
    outbox: list[Job] = field(default_factory=list)


class Cluster:
    """Run trials on a cluster; one that is lost with its node is told as such.

    Args:
        size: places, > 0.
        options: of the actors.
        place: what their processes are to be like.
        inheritance: what every worker is sent, once.
        owner: the name of the driver's lease.
        capacity: trials of a place at the same time, > 0.
        room: places that the cluster has now; the others count when they open. All of them by default.
    """

    def __init__(
        self,
        size: int,
        *,
        options: dict[str, Any],
        place: Place,
        inheritance: bytes,
        owner: str,
        capacity: int = 1,
        room: int | None = None,
    ) -> None:
        self._ray = ray = _ray()
        self._actor = ray.remote(Host).options(**options)
        self._arguments = (place, ray.put(inheritance), owner, capacity)
        self._capacity = capacity
        self._queue: deque[Job] = deque()
        self._asked, self._passed_on = 0, 0
        self._failed_starts = 0
        room = size if room is None else max(room, 1)
        self._seats = [self._start(replaces=index >= room) for index in range(size)]

    def free(self) -> int:
        """Return how many trials there is room for; a place that is lost counts when another has taken it."""
        places = sum(seat.open or not seat.replaces for seat in self._seats)
        busy = sum(len(seat.began) for seat in self._seats)
        return max(max(places, 1) * self._capacity - busy - len(self._queue), 0)

    def submit(self, job: Job) -> None:
        """Give a trial to a place, or to the first that is free; one that was lost comes first."""
        if job.trial.resume:
            self._queue.appendleft(job)
        else:
            self._queue.append(job)
        if self._capacity == 1:  # no other is to go with it
            self._fill()

    def wait(self, seconds: float) -> Sequence[Event]:
        """Wait for a trial to start, report or end."""
        events = self._pass_on_interrupt()
        self._fill()
        calls = {seat.call: seat for seat in self._seats if seat.call is not None}
        if not calls:
            time.sleep(0 if events else seconds)
            return events
        ready, _ = self._ray.wait(list(calls), timeout=0 if events else seconds)
        more, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        for call in dict.fromkeys([*ready, *more]):
            events += self._receive(calls[call])
        if self._capacity == 1:
            self._fill()
        return events

    def interrupt(self) -> None:
        """Ask the running trials to save and stop; asked a second time, end them. Safe in a signal's handler."""
        self._asked += 1

    def close(self) -> None:
        """End all processes."""
        farewells = [seat.actor.close.remote() for seat in self._seats if seat.open]
        if farewells:
            self._ray.wait(farewells, num_returns=len(farewells), timeout=_FAREWELL_SECONDS)
        for seat in self._seats:
            self._ray.kill(seat.actor)
        self._seats = []
        if _CONNECTED:
            _CONNECTED.clear()
            self._ray.shutdown()

    def _start(self, *, replaces: bool = False) -> _Seat:
        actor = self._actor.remote(*self._arguments)
        return _Seat(actor, actor.open.remote(), replaces=replaces)

    def _fill(self) -> None:
        most = self._capacity
        if any(not (seat.open or seat.replaces) for seat in self._seats):  # which shall have their share
            trials = len(self._queue) + sum(len(seat.began) for seat in self._seats)
            most = min(most, math.ceil(trials / len(self._seats)))
        while self._queue:
            able = [seat for seat in self._seats if seat.open and len(seat.began) < most]
            if not able:
                break
            seat, job = min(able, key=lambda seat: len(seat.began)), self._queue.popleft()
            seat.began[job.trial.number] = time.perf_counter()
            seat.outbox.append(job)
        for seat in self._seats:
            if seat.outbox and seat.call is None and not seat.asks:
                self._listen(seat)

    def _listen(self, seat: _Seat) -> None:
        """Wait for what a place has to say, and hand it what waits for it."""
        jobs, seat.outbox = seat.outbox, []
        seat.call = seat.actor.run.remote(jobs) if jobs else seat.actor.listen.remote()

    def _receive(self, seat: _Seat) -> list[Event]:
        try:
            said = self._ray.get(seat.call)
        except self._ray.exceptions.RayError as error:
            return self._lose(seat, " ".join(str(error).split()))
        if not seat.open:
            if said is not None:
                raise ConfigError(
                    [Problem("hydra/launcher", f"{said}; the nodes must share the driver's folders")]
                )
            seat.open, seat.call, self._failed_starts = True, None, 0
            return []
        seat.call = None
        events = [self._taken_in(seat, event) for event in cloudpickle.loads(said)]
        if seat.began and not seat.asks:
            self._listen(seat)
        return events

    def _taken_in(self, seat: _Seat, event: Started | Done | Said | tuple[int, int, float]) -> Event:
        if isinstance(event, Done):
            del seat.began[event.number]
        if not isinstance(event, tuple):
            return event

        def answer(stop: bool) -> None:
            seat.asks = False
            seat.call = seat.actor.answer.remote(stop)

        seat.asks = True
        return Report(*event, answer)

    def _lose(self, seat: _Seat, reason: str) -> list[Event]:
        """Give up a place whose node or process is gone, and look for another."""
        self._ray.kill(seat.actor)
        self._failed_starts += not seat.open
        if self._failed_starts >= _MOST_FAILED_STARTS * len(self._seats):
            raise ConfigError([Problem("hydra/launcher", f"no process starts on the Ray cluster: {reason}")])
        self._seats[self._seats.index(seat)] = self._start(replaces=True)
        now, why = time.perf_counter(), f"its node was lost: {reason}"
        return [Done(number, None, now - began, why, lost=True) for number, began in seat.began.items()]

    def _pass_on_interrupt(self) -> list[Event]:
        if self._passed_on == self._asked:
            return []
        again, self._passed_on = self._passed_on > 0 or self._asked > 1, self._asked
        for seat in self._seats:
            if seat.began and again:
                self._ray.kill(seat.actor)
            elif seat.began:
                seat.actor.interrupt.remote()
        waiting, self._queue = list(self._queue), deque()
        for seat in self._seats:
            waiting += seat.outbox
            for job in seat.outbox:
                del seat.began[job.trial.number]
            seat.outbox = []
        return [Done(job.trial.number, None, 0.0, interrupted=True) for job in waiting]
