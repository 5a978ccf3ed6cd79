"""Which pool runs a study's trials: what its launcher can do decides."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lightune.errors import ConfigError, Problem
from lightune.study.book import Book
from lightune.study.carried import URL_VARIABLE, CarriedTask
from lightune.study.claim import claimed
from lightune.study.composer import Composer
from lightune.study.pools import Blocking, Job, Pool
from lightune.study.sampling import learns
from lightune.study.scene import Scene
from lightune.study.slots import make_slots

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
    from lightune.study.inprocess import InProcess
    from lightune.study.worker import Inheritance
    from lightune.study.workers import Workers

    launcher: Launcher = Plugins.instance().instantiate_launcher(
        config=scene.config, hydra_context=scene.context, task_function=task_function
    )
    opener: Any = getattr(launcher, "open", None)
    remote: Any = getattr(launcher, "open_remote", None)
    together: Any = getattr(launcher, "open_together", None)
    fuses = together is not None or getattr(launcher, "fused", False)
    if fuses and scene.settings.gpus_per_job > 1:
        rule = f"must be 1 where trials train together, on one device each, got {scene.settings.gpus_per_job}"
        raise ConfigError([Problem("search.gpus_per_job", rule)])
    slots = make_slots(scene.settings, scene.config) if opener is not None else []
    if remote is not None or len(slots) > (1 if together is not None else 0):
        left = max(1, book.n_trials - sum(row.state not in ("running", "interrupted") for row in book.rows()))
        capacity = _batch_size(scene, launcher) if fuses else 1
        inheritance = Inheritance(
            hydra_context=scene.context,
            task_function=task_function,
            config=scene.config,
            objectives=scene.settings.objectives,
            serve=launcher.serving(capacity) if fuses else None,  # type: ignore[attr-defined]
        )
        packed = cloudpickle.dumps(inheritance)
        pool: Pool
        if remote is not None:
            pool = remote(
                settings=scene.settings,
                config=scene.config,
                most=left,
                inheritance=packed,
                owner=scene.lease.name,
                study=scene.folder,
                capacity=capacity,
            )
        else:
            pool = opener(Workers, slots[:left], inheritance=packed, owner=scene.lease.name, capacity=capacity)
        return pool
    if together is not None or isinstance(launcher, BasicLauncher):
        in_process = InProcess(
            scene.config,
            context=scene.context,
            task_function=task_function,
            note=book.note_folder,
            report=book.report,
        )
        if together is None:
            return in_process
        pool = together(
            config=scene.config,
            context=scene.context,
            task_function=task_function,
            alone=in_process,
            size=_batch_size(scene, launcher),
            report=book.report,
        )
        return pool
    if scene.url is not None:
        os.environ[URL_VARIABLE] = scene.url
    task = CarriedTask(task_function, study=scene.folder, settings=scene.settings, owner=scene.lease.name)
    launcher.setup(hydra_context=scene.context, task_function=task, config=scene.config)
    size = scene.settings.max_batch_size or scene.settings.n_jobs or 1

    def settle(number: int) -> None:
        with claimed(scene.folder, number):
            pass

    return Blocking(launcher, size=size, folder_of=_folders_of(scene), trials=task.trials, settle=settle)


def _batch_size(scene: Scene, launcher: Any) -> int:
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
