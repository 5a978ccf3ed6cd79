"""What the driver sends each worker once: what its trials belong to, and what it does with them.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton

from lightune.config.trust import trusted
from lightune.study.executors.context import ExecutorContext, never_stop, no_folder

__all__ = ["WorkerSetup", "packed_setup"]


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker needs beside the trials themselves.

    Args:
        context: what the trials belong to, without what the driver's process alone can do.
        serve: takes the `Worker` and runs its trials; one after another by default.
        singletons: the state of Hydra in the driver.
        trusted: what the driver trusts; what the environment of a worker says counts for nothing.
    """

    context: ExecutorContext
    serve: Callable[[Any], None] | None = None
    singletons: Any = field(default_factory=Singleton.get_state)
    trusted: tuple[str, ...] = field(default_factory=trusted)


def packed_setup(context: ExecutorContext, *, serve: Callable[[Any], None] | None = None) -> bytes:
    """Return what the workers of an executor are sent, packed by `cloudpickle`.

    Args:
        context: of the executor.
        serve: takes a `Worker` and runs its trials; one after another by default.
    """
    settings = replace(context.settings, storage=None)  # whose password is nothing for another process
    sent = replace(context, settings=settings, note_folder=no_folder, report=never_stop)
    return bytes(cloudpickle.dumps(WorkerSetup(sent, serve)))
