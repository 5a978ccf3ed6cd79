"""Open the executor of `hydra/launcher=local`. This module must not import Optuna, torch or Lightning."""

from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.local.devices import make_slots
from lightune.study.executors.local.executor import LocalExecutor
from lightune.study.executors.local.worker_handle import Slot
from lightune.study.executors.worker.setup import packed_setup

__all__ = ["open_executor"]


def open_executor(context: ExecutorContext, *, n_jobs: int) -> LocalExecutor:
    """Start worker processes on this machine.

    Args:
        context: what the trials belong to; a study's settings say how it divides the machine.
        n_jobs: jobs of a batch at the same time, > 0.

    Raises:
        ConfigError: if there are fewer devices than asked for.
    """
    is_study = context.study is not None
    slots = make_slots(context.settings, context.config) if is_study else [Slot()] * n_jobs
    return LocalExecutor(
        slots[: context.n_left],
        setup=packed_setup(context),
        owner=context.owner,
        objectives=context.objectives,
    )
