"""Which pool runs a study's trials: what its launcher can do decides."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lightune.errors import ConfigError, Problem
from lightune.study.executors.executor import Blocking, Job, Pool
from lightune.study.executors.in_process import InProcess
from lightune.study.executors.launcher import KeepingLauncher
from lightune.study.executors.local.devices import is_whole, make_slots
from lightune.study.executors.wrapped_task import URL_VARIABLE, CarriedTask
from lightune.study.hydra.composer import Composer
from lightune.study.prepare import Scene
from lightune.study.storage.locks import claimed
from lightune.study.storage.samplers import learns
from lightune.study.storage.trial_store import Book

__all__ = ["open_pool"]

_BATCH = 64  # trials of a fused launcher's batch
_BATCH_THAT_TEACHES = 16  # the same where a sampler learns from one batch for the next


def open_pool(scene: Scene, task_function: TaskFunction, book: Book) -> Pool:
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
    if isinstance(launcher, KeepingLauncher):
        return _open_ours(launcher, scene, task_function, book)
    if isinstance(launcher, BasicLauncher):
        return _in_process(scene, task_function, book)
    return _in_batches(launcher, scene, task_function)


def _open_ours(launcher: KeepingLauncher, scene: Scene, task_function: TaskFunction, book: Book) -> Pool:
    """Open processes here or on a cluster; trials that train together on the whole machine do so in this one."""
    from lightune.study.executors.worker.main import Inheritance

    settings = scene.settings
    if launcher.fused and settings.gpus_per_job > 1:
        rule = f"must be 1 where trials train together, on one device each, got {settings.gpus_per_job}"
        raise ConfigError([Problem("search.gpus_per_job", rule)])
    slots = [] if launcher.is_remote else make_slots(settings, scene.config)
    pool: Pool
    if launcher.fused and is_whole(slots):
        pool = launcher.open_together(
            config=scene.config,
            context=scene.context,
            task_function=task_function,
            alone=_in_process(scene, task_function, book),
            size=_batch_size(scene, launcher),
            report=book.report,
        )
        return pool
    left = max(1, book.n_trials - sum(row.state not in ("running", "interrupted") for row in book.rows()))
    capacity = _batch_size(scene, launcher) if launcher.fused else 1
    inheritance = Inheritance(
        hydra_context=scene.context,
        task_function=task_function,
        config=scene.config,
        objectives=settings.objectives,
        serve=launcher.serving(capacity),
    )
    how = {"inheritance": cloudpickle.dumps(inheritance), "owner": scene.lease.name, "capacity": capacity}
    if launcher.is_remote:
        pool = launcher.open_remote(settings=settings, config=scene.config, most=left, study=scene.folder, **how)
    else:
        pool = launcher.open(slots[:left], **how)
    return pool


def _in_process(scene: Scene, task_function: TaskFunction, book: Book) -> InProcess:
    return InProcess(
        scene.config,
        context=scene.context,
        task_function=task_function,
        note=book.note_folder,
        report=book.report,
    )


def _in_batches(launcher: Launcher, scene: Scene, task_function: TaskFunction) -> Pool:
    """Drive a launcher of others; its jobs find out from the study's storage which trials they are."""
    if scene.url is not None:
        os.environ[URL_VARIABLE] = scene.url
    task = CarriedTask(task_function, study=scene.folder, settings=scene.settings, owner=scene.lease.name)
    launcher.setup(hydra_context=scene.context, task_function=task, config=scene.config)
    size = scene.settings.max_batch_size or scene.settings.n_jobs or 1

    def settle(number: int) -> None:
        with claimed(scene.folder, number):
            pass

    return Blocking(launcher, size=size, folder_of=_folders_of(scene), trials=task.trials, settle=settle)


def _batch_size(scene: Scene, launcher: KeepingLauncher) -> int:
    """Return how many trials a place takes at most: fewer where the next points learn from their results."""
    settings = scene.settings
    asked = settings.max_batch_size or launcher.fused_width
    return asked or (_BATCH_THAT_TEACHES if learns(settings, scene.space) else _BATCH)


def _folders_of(scene: Scene) -> Callable[[Job], Path]:
    """Return what tells where a trial will write, without running it."""
    composer = Composer(scene.context.config_loader, scene.config)

    def folder_of(job: Job) -> Path:
        composed = composer.compose(job.overrides)
        with open_dict(composed):
            composed.hydra.job.num = job.trial.number
            composed.hydra.job.id = str(job.trial.number)
        with _hydra_config(composed):
            return scene.folder / str(OmegaConf.select(composed, "hydra.sweep.subdir"))

    return folder_of


@contextlib.contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
