"""The connection of this process to a Ray cluster, or to one that is started on this machine.

Built with hydra-ray-launcher. This module imports Ray only when it is called.
"""

import importlib
import importlib.util
import os
import socket
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.errors import ConfigError, Problem, reason_of
from lightune.private_api.hydra import start_ray

__all__ = ["connect", "disconnect", "ray"]

_ADDRESS = "hydra.launcher.ray.init.address"
_ANSWER_SECONDS = 10.0
_ATTEMPTS = "2"  # of Ray, half a minute each
_CONNECTED: list[bool] = []


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

    if ray().is_initialized():
        return
    try:
        start_ray(arguments)
    except Exception as error:
        reason = reason_of(error)
        rule = f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
        raise ConfigError([Problem(_ADDRESS, f"{rule} ({reason}); start it with: ray start --head")]) from error
    _CONNECTED.append(True)


def disconnect() -> None:
    """Leave the cluster, if it was `connect` that joined it."""
    if _CONNECTED:
        _CONNECTED.clear()
        ray().shutdown()


def ray() -> Any:
    """Return Ray itself."""
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
