"""Which executor runs a study's trials: that of its launcher, or one that drives the launcher."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lightune.job.hydra_node import judge_job
from lightune.private_api.hydra import is_basic_launcher, judge_of
from lightune.study.context import StudyContext
from lightune.study.executors.batch import BatchExecutor
from lightune.study.executors.context import ExecutorContext
from lightune.study.executors.executor import Executor, Job
from lightune.study.executors.guarded import GuardedExecutor
from lightune.study.executors.in_process import InProcessExecutor
from lightune.study.executors.launcher import ExecutorLauncher
from lightune.study.executors.wrapped_task import URL_VARIABLE, WrappedTask
from lightune.study.hydra.composer import Composer
from lightune.study.outcome.outcome import is_final
from lightune.study.storage.locks import claimed
from lightune.study.storage.samplers import learns
from lightune.study.storage.trial_store import TrialStore
from lightune.study.trial_folders import is_number_alone, trial_folder

__all__ = ["make_executor", "place_of"]

_BATCH_SIZE = 64  # trials that train together
_BATCH_SIZE_WHERE_LEARNT = 16  # the same where a sampler learns from one batch for the next


def make_executor(study: StudyContext, task_function: TaskFunction, store: TrialStore) -> Executor:
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
    context = ExecutorContext(
        config=study.config,
        hydra_context=study.hydra_context,
        task_function=task_function,
        settings=study.settings,
        n_left=max(1, store.n_trials - sum(is_final(trial.state) for trial in store.records())),
        study=study.folder,
        owner=study.lease.name,
        batch_size=_BATCH_SIZE_WHERE_LEARNT if learns(study.settings, study.space) else _BATCH_SIZE,
        note_folder=store.note_folder,
        report=store.report,
    )
    executor = _executor_of(launcher, context, study.url)
    return executor if is_number_alone(study.config) else _guarded(executor, context, store)


def _executor_of(launcher: Launcher, context: ExecutorContext, url: str | None) -> Executor:
    if isinstance(launcher, ExecutorLauncher):
        return launcher.make_executor(context)
    if is_basic_launcher(launcher):
        return InProcessExecutor(context)
    return _in_batches(launcher, context, url)


def _guarded(executor: Executor, context: ExecutorContext, store: TrialStore) -> Executor:
    """Watch the folders of trials that have other names than their numbers."""
    composer = Composer(context.hydra_context.config_loader, context.config)

    def taken() -> dict[Path, int]:
        return {store.folder / trial.folder: trial.number for trial in store.records() if trial.folder is not None}

    return GuardedExecutor(
        executor,
        folder_of=lambda job: store.folder / trial_folder(composer, job.overrides, job.trial.number),
        taken=taken,
        objectives=context.settings.objectives,
    )


def place_of(study: StudyContext) -> Callable[[Job], Path | None]:
    """Return what tells where a trial would write that has not begun; None if another may write there."""
    if not is_number_alone(study.config):
        return lambda job: None
    composer = Composer(study.hydra_context.config_loader, study.config)

    def place(job: Job) -> Path | None:
        try:
            return study.folder / trial_folder(composer, job.overrides, job.trial.number)
        except Exception:  # noqa: BLE001 - whatever it is, it is what the trial failed of
            return None

    return place


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
        if judge_of(context.hydra_context.callbacks) is not None:
            judge_job(composed, job.trial.number)
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
