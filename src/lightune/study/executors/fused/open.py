"""Open the executor of `hydra/launcher=fused`, here or in worker processes.

Launchers import this module; it imports torch and Lightning only when it is called.
"""

from collections.abc import Callable
from functools import partial

from lightune.errors import ConfigError, Problem
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.executor import Executor
from lightune.study.executors.in_process import InProcessExecutor
from lightune.study.executors.local.devices import is_whole, make_slots
from lightune.study.executors.local.executor import LocalExecutor
from lightune.study.executors.worker.main import Worker
from lightune.study.executors.worker.setup import packed_setup
from lightune.training.imports import import_training

__all__ = ["open_executor", "require_one_device", "serving_groups"]


def open_executor(context: ExecutorContext, *, fused_width: int | None) -> Executor:
    """Make what trains groups: in this process if a trial has the whole machine, else a worker per device.

    Args:
        context: what the trials belong to.
        fused_width: most members of a program, >= 2; None for as many as memory holds.

    Raises:
        ConfigError: if there are fewer devices than asked for, or a trial is to have several.
    """
    require_one_device(context)
    size = context.most_at_once(fused_width)
    slots = make_slots(context.settings, context.config) if context.study is not None else []
    if slots and not is_whole(slots):
        return LocalExecutor(
            slots[: context.n_left],
            setup=packed_setup(context, serve=serving_groups(size, fused_width)),
            owner=context.owner,
            objectives=context.objectives,
            capacity=size,
        )
    import_training()
    from lightune.study.executors.fused.executor import FusedExecutor

    return FusedExecutor(context, alone=InProcessExecutor(context), size=size, fused_width=fused_width)


def require_one_device(context: ExecutorContext) -> None:
    """Refuse several devices for a trial.

    Raises:
        ConfigError: if they are asked for.
    """
    if (gpus := context.settings.gpus_per_job) > 1:
        rule = f"must be 1 where trials train together, on one device each, got {gpus}"
        raise ConfigError([Problem(context.settings.vocabulary.key("gpus_per_job"), rule)])


def serving_groups(size: int, fused_width: int | None) -> Callable[[Worker], None]:
    """Return what a worker does that trains groups.

    Args:
        size: most trials at the same time, > 0.
        fused_width: most members of a program, >= 2; None for as many as memory holds.
    """
    return partial(_serve, size=size, fused_width=fused_width)


def _serve(worker: Worker, *, size: int, fused_width: int | None) -> None:
    import_training()
    from lightune.study.executors.fused.worker_loop import serve_groups

    serve_groups(worker, size=size, fused_width=fused_width)
