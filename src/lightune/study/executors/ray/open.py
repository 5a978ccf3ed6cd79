"""A study's places on a Ray cluster are opened: how many, on what devices, in what surroundings.

This module imports Ray only when it is called.
"""

import os
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.secrets import secret_values
from lightune.study.definition.settings import Settings
from lightune.study.executors.ray.actor import Place
from lightune.study.executors.ray.connection import connect, ray
from lightune.study.executors.ray.executor import Cluster
from lightune.study.executors.ray.resources import needs_of, room_for

__all__ = ["open_cluster"]


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
) -> Cluster:
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
    remote: dict[str, Any] = dict(OmegaConf.to_container(launcher.remote, resolve=True))  # type: ignore[arg-type]
    nodes = [node["Resources"] for node in ray().nodes() if node["Alive"]]
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
