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
from lightune.study.context import StudyContext
from lightune.study.executors.executor import Blocking, Job, Pool
from lightune.study.executors.in_process import InProcess
from lightune.study.executors.launcher import KeepingLauncher
from lightune.study.executors.local.devices import is_whole, make_slots
from lightune.study.executors.wrapped_task import URL_VARIABLE, CarriedTask
from lightune.study.hydra.composer import Composer
from lightune.study.storage.locks import claimed
from lightune.study.storage.samplers import learns
from lightune.study.storage.trial_store import TrialStore

__all__ = ["open_pool"]

_BATCH = 64  # trials of a fused launcher's batch
_BATCH_THAT_TEACHES = 16  # the same where a sampler learns from one batch for the next


def open_pool(study: StudyContext, task_function: TaskFunction, store: TrialStore) -> Pool:
    """Make what runs the trials of a study.

    Args:
        study: the study.
        task_function: what a trial runs.
        store: of its trials.

    Raises:
        ConfigError: if there is no place for a trial.
    """
    launcher: Launcher = Plugins.instance().instantiate_launcher(
        config=study.config, hydra_context=study.hydra_context, task_function=task_function
    )
    if isinstance(launcher, KeepingLauncher):
        return _open_ours(launcher, study, task_function, store)
    if isinstance(launcher, BasicLauncher):
        return _in_process(study, task_function, store)
    return _in_batches(launcher, study, task_function)


def _open_ours(
    launcher: KeepingLauncher, study: StudyContext, task_function: TaskFunction, store: TrialStore
) -> Pool:
    """Open processes here or on a cluster; trials that train together on the whole machine do so in this one."""
    from lightune.study.executors.worker.main import Inheritance

    settings = study.settings
    if launcher.fused and settings.gpus_per_job > 1:
        rule = f"must be 1 where trials train together, on one device each, got {settings.gpus_per_job}"
        raise ConfigError([Problem(settings.vocabulary.key("gpus_per_job"), rule)])
    slots = [] if launcher.is_remote else make_slots(settings, study.config)
    pool: Pool
    if launcher.fused and is_whole(slots):
        pool = launcher.open_together(
            config=study.config,
            context=study.hydra_context,
            task_function=task_function,
            alone=_in_process(study, task_function, store),
            size=_batch_size(study, launcher),
            report=store.report,
        )
        return pool
    left = max(1, store.n_trials - sum(trial.state not in ("running", "interrupted") for trial in store.records()))
    capacity = _batch_size(study, launcher) if launcher.fused else 1
    inheritance = Inheritance(
        hydra_context=study.hydra_context,
        task_function=task_function,
        config=study.config,
        objectives=settings.objectives,
        serve=launcher.serving(capacity),
    )
    how = {"inheritance": cloudpickle.dumps(inheritance), "owner": study.lease.name, "capacity": capacity}
    if launcher.is_remote:
        pool = launcher.open_remote(settings=settings, config=study.config, most=left, study=study.folder, **how)
    else:
        pool = launcher.open(slots[:left], **how)
    return pool


def _in_process(study: StudyContext, task_function: TaskFunction, store: TrialStore) -> InProcess:
    return InProcess(
        study.config,
        context=study.hydra_context,
        task_function=task_function,
        note=store.note_folder,
        report=store.report,
    )


def _in_batches(launcher: Launcher, study: StudyContext, task_function: TaskFunction) -> Pool:
    """Drive a launcher of others; its jobs find out from the study's storage which trials they are."""
    if study.url is not None:
        os.environ[URL_VARIABLE] = study.url
    task = CarriedTask(task_function, study=study.folder, settings=study.settings, owner=study.lease.name)
    launcher.setup(hydra_context=study.hydra_context, task_function=task, config=study.config)
    size = study.settings.max_batch_size or study.settings.n_jobs or 1

    def settle(number: int) -> None:
        with claimed(study.folder, number):
            pass

    return Blocking(launcher, size=size, folder_of=_folders_of(study), trials=task.trials, settle=settle)


def _batch_size(study: StudyContext, launcher: KeepingLauncher) -> int:
    """Return how many trials a place takes at most: fewer where the next points learn from their results."""
    settings = study.settings
    asked = settings.max_batch_size or launcher.fused_width
    return asked or (_BATCH_THAT_TEACHES if learns(settings, study.space) else _BATCH)


def _folders_of(study: StudyContext) -> Callable[[Job], Path]:
    """Return what tells where a trial will write, without running it."""
    composer = Composer(study.hydra_context.config_loader, study.config)

    def folder_of(job: Job) -> Path:
        composed = composer.compose(job.overrides)
        with open_dict(composed):
            composed.hydra.job.num = job.trial.number
            composed.hydra.job.id = str(job.trial.number)
        with _hydra_config(composed):
            return study.folder / str(OmegaConf.select(composed, "hydra.sweep.subdir"))

    return folder_of


@contextlib.contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
