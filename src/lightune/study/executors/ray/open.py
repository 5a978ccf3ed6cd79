"""Open the executor of a Ray cluster: how many actors, with what devices, and what of the driver's process.

This module imports Ray only when it is called.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.paths import plugin_folders
from lightune.secrets import secret_values
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.ray.actor import DriverPlace
from lightune.study.executors.ray.connection import connect, ray
from lightune.study.executors.ray.executor import RayExecutor
from lightune.study.executors.ray.resources import needs_of, room_for
from lightune.study.executors.worker.main import Worker
from lightune.study.executors.worker.setup import packed_setup
from lightune.wording import counted

__all__ = ["open_executor"]


def open_executor(
    launcher: DictConfig,
    context: ExecutorContext,
    *,
    serve: Callable[[Worker], None] | None = None,
    capacity: int = 1,
) -> RayExecutor:
    """Start worker processes on a cluster.

    Args:
        launcher: `init` and `remote`, as the launcher has them.
        context: what the trials belong to.
        serve: runs the trials of a worker; one after another by default.
        capacity: trials of an actor at the same time, > 0.

    Raises:
        ConfigError: if the cluster cannot be reached, or no node of it could ever hold a trial.
    """
    connect(launcher.init)
    settings, config, most = context.settings, context.config, context.n_left
    remote: dict[str, Any] = dict(OmegaConf.to_container(launcher.remote, resolve=True))  # type: ignore[arg-type]
    nodes = [node["Resources"] for node in ray().nodes() if node["Alive"]]
    needs = needs_of(settings, config, remote, gpus=any(node.get("GPU") for node in nodes))
    room = room_for(needs, nodes)
    wanted = settings.n_jobs or room or 1
    if room < min(wanted, most):
        amounts = ", ".join(f"{amount:g} {name}" for name, amount in needs.items())
        room_there = f"room for {room} of {counted(wanted, 'trial')} ({amounts} each)"
        print(f"the Ray cluster has {room_there}; the others wait for nodes")
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(int(needs.get("CPU", 1)), 1))
    place = DriverPlace(
        folder=os.getcwd(),
        path=tuple(sys.path),
        argv=tuple(sys.argv),
        environment={**_environment(config), "OMP_NUM_THREADS": threads},
        study=context.study,
        plugins=tuple(plugin_folders()),
    )
    options = {
        "scheduling_strategy": "SPREAD",
        **remote,
        "num_cpus": needs.get("CPU", 0),
        "num_gpus": needs.get("GPU", 0),
    }
    return RayExecutor(
        max(min(wanted, most), 1),
        options=options,
        place=place,
        setup=packed_setup(context, serve=serve),
        owner=context.owner,
        objectives=context.objectives,
        capacity=capacity,
        room=room,
    )


def _environment(config: DictConfig) -> dict[str, str]:
    """Return the variables that a configuration asks for, and lightune's own; Ray's nodes know none of ours."""
    asked = {name: value for value, name in secret_values(config).items()}
    return {**asked, **{name: value for name, value in os.environ.items() if name.startswith("LIGHTUNE_")}}
