"""Which executor runs a study's trials: that of its launcher, or one that drives the launcher."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lightune.study.executors.batch import BatchExecutor
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.executor import Executor, Job
from lightune.study.executors.in_process import InProcessExecutor
from lightune.study.executors.launcher import ExecutorLauncher
from lightune.study.executors.wrapped_task import URL_VARIABLE, WrappedTask
from lightune.study.hydra.composer import Composer
from lightune.study.outcome.outcome import is_final
from lightune.study.storage.locks import claimed
from lightune.study.storage.samplers import learns
from lightune.study.storage.trial_store import Book

if TYPE_CHECKING:
    from lightune.study.prepare import Scene

__all__ = ["make_executor"]

_BATCH_SIZE = 64  # trials that train together
_BATCH_SIZE_WHERE_LEARNT = 16  # the same where a sampler learns from one batch for the next


def make_executor(scene: "Scene", task_function: TaskFunction, book: Book) -> Executor:
    """Make what runs the trials of a study.

    Args:
        scene: the study.
        task_function: what a trial runs.
        book: of its trials.

    Raises:
        ConfigError: if there is no place for a trial.
    """
    launcher: Launcher = Plugins.instance().instantiate_launcher(
        config=scene.config, hydra_context=scene.context, task_function=task_function
    )
    context = ExecutorContext(
        config=scene.config,
        hydra_context=scene.context,
        task_function=task_function,
        settings=scene.settings,
        n_left=max(1, book.n_trials - sum(is_final(row.state) for row in book.rows())),
        study=scene.folder,
        owner=scene.lease.name,
        batch_size=_BATCH_SIZE_WHERE_LEARNT if learns(scene.settings, scene.space) else _BATCH_SIZE,
        note_folder=book.note_folder,
        report=book.report,
    )
    if isinstance(launcher, ExecutorLauncher):
        return launcher.make_executor(context)
    if isinstance(launcher, BasicLauncher):
        return InProcessExecutor(context)
    return _in_batches(launcher, context, scene.url)


def _in_batches(launcher: Launcher, context: ExecutorContext, url: str | None) -> BatchExecutor:
    """Drive a launcher of others; its jobs find out from the study's storage which trials they are."""
    study, settings = context.study, context.settings
    assert study is not None
    if url is not None:
        os.environ[URL_VARIABLE] = url
    task = WrappedTask(context.task_function, study=study, settings=settings, owner=context.owner)
    launcher.setup(hydra_context=context.hydra_context, task_function=task, config=context.config)

    def settle(number: int) -> None:
        with claimed(study, number):
            pass

    return BatchExecutor(
        launcher,
        size=settings.max_batch_size or settings.n_jobs or 1,
        objectives=settings.objectives,
        folder_of=_folders_of(context, study),
        trials=task.trials,
        settle=settle,
    )


def _folders_of(context: ExecutorContext, study: Path) -> Callable[[Job], Path]:
    """Return what tells where a trial will write, without running it."""
    composer = Composer(context.hydra_context.config_loader, context.config)

    def folder_of(job: Job) -> Path:
        composed = composer.compose(job.overrides)
        with open_dict(composed):
            composed.hydra.job.num = job.trial.number
            composed.hydra.job.id = str(job.trial.number)
        with _hydra_config(composed):
            return study / str(OmegaConf.select(composed, "hydra.sweep.subdir"))

    return folder_of


@contextlib.contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
