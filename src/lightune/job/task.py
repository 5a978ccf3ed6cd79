"""The task of lightune's Hydra application: train one configuration, as a run of its own or as a trial of a study.

This module must not import torch, Lightning, or what judges a configuration at its top.
"""

import pickle
import sys
from contextlib import chdir, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from lightune.errors import ConfigError, LightuneError, TrainingError, TrialError, UnwritableError
from lightune.job.folders import folder_problems
from lightune.job.handover import handover
from lightune.job.hydra_files import conceal, write
from lightune.paths import outer_rank, shell_folder, typed_in
from lightune.runtime.disk import why_unwritable
from lightune.runtime.last_digits import make_portable
from lightune.runtime.signals import raise_left
from lightune.runtime.stopwatch import once_for_all
from lightune.training.imports import import_training
from lightune.trial import Trial, current_trial

if TYPE_CHECKING:
    from torch.nn import Module

    from lightune.reporting.result import Result

__all__ = ["failure_of", "objectives_of", "open_run_dir", "task"]


def task(cfg: DictConfig) -> float | list[float | None] | None:
    """Train one configuration; return its objective, or several, as a sweeper expects.

    A failed or interrupted run ends the process with its exit code: 1, or 128 and the signal's number.

    Args:
        cfg: the job's configuration, without Hydra's own node.

    Raises:
        ConfigError: if the run's folder or a part is refused; nothing was trained.
        TrialError: if the training failed, in a multirun.
    """
    own = HydraConfig.get()
    with typed_in(own.runtime.cwd) if own.job.chdir else nullcontext():
        return _train(cfg)


def _train(cfg: DictConfig) -> float | list[float | None] | None:
    hydra_config = HydraConfig.get()
    resumed, handover.resumed = handover.resumed, None
    run_dir = open_run_dir(cfg, follows=resumed is not None or outer_rank() > 0)
    multirun = hydra_config.mode == RunMode.MULTIRUN
    if multirun or current_trial() is not None:
        cfg.test = False  # a search that reads the test part has none left to be judged by
    make_portable(OmegaConf.select(cfg, "trainer.portable"))  # in a job of a cluster, whose environment is its own
    with once_for_all():  # it takes seconds: Hydra's files are safe by now
        import_training()
        from lightune.run import InterruptedRun, prepare, train

    if resumed is not None:
        cfg = resumed
    parts = handover.take_parts()
    if parts is not None and hydra_config.job.env_set:
        from lightune.config.validate import validate

        validate(cfg)  # where the variables are set that its values may be made of
    if parts is None:
        with chdir(shell_folder()):  # where the paths of a configuration begin, of a run and of a trial
            parts = prepare(cfg, verbose=bool(hydra_config.verbose))
    trial = current_trial()
    failure = None
    try:
        result = train(
            cfg,
            parts=parts,
            run_dir=run_dir if outer_rank() == 0 else None,
            verbose=bool(hydra_config.verbose),
            **({"resume": resumed is not None} if trial is None else _as_trial(trial)),
        )
    except TrainingError as error:
        failure = failure_of(error)
    except InterruptedRun as interrupted:
        sys.exit(interrupted.exit_code)
    finally:
        if multirun:
            raise_left()  # a signal that came too late for this job stops those that would follow
    if failure is not None and multirun:
        raise failure  # not from the training's own error, which the sweeper's process would import torch to read
    if failure is not None:
        sys.exit(1)
    return objectives_of(result, parts.task, trial)


def objectives_of(result: "Result", task: "Module", trial: Trial | None) -> float | list[float | None] | None:
    """Return what a sweeper judges a run by: its objective, or those that the study names.

    Args:
        result: of the run.
        task: that was trained.
        trial: that the run is; None outside of a study.

    Returns:
        One value, or one for each objective in the study's order; None for what was not measured.
    """
    if trial is None or not trial.objectives:
        return result.objective.value
    figures = {**result.metrics, result.objective.metric: result.objective.value}
    figures["seconds"] = sum(result.seconds.values())
    figures["parameters"] = float(sum(parameter.numel() for parameter in task.parameters()))
    return [figures.get(metric) for metric in trial.objectives]


def failure_of(error: TrainingError) -> LightuneError:
    """Return what a trial raises when its training has failed: it can be read where torch is not imported."""
    reason = why_unwritable(error)
    return TrialError(str(error)) if reason is None else UnwritableError(reason)


def _as_trial(trial: Trial) -> dict[str, Any]:
    """Return what a training is told of the trial that it is."""
    report = trial.report if trial.prunes else None
    return {"report": report, "resume": trial.resume, "hparams": trial.hparams()}


def open_run_dir(cfg: DictConfig, *, follows: bool = False) -> Path:
    """Take over the folder that Hydra has made for the job under way; return it.

    Args:
        cfg: the job's configuration, without Hydra's own node.
        follows: whether the folder was made before, and judged then.

    Raises:
        ConfigError: if something would be written elsewhere.
    """
    hydra_config = HydraConfig.get()
    run_dir = Path(hydra_config.runtime.output_dir)
    if handover.withheld is not None:
        write(run_dir, cfg, handover.withheld)
    elif hydra_config.output_subdir is not None:
        conceal(run_dir / hydra_config.output_subdir, cfg)
    multirun = hydra_config.mode == RunMode.MULTIRUN
    if not follows and (problems := folder_problems(_whole_config(cfg), multirun=multirun)):
        raise ConfigError(problems)  # of a job, or where the preflight was removed
    return run_dir


def _whole_config(cfg: DictConfig) -> DictConfig:
    """Return a job's configuration with Hydra's own node in its place."""
    whole: DictConfig = pickle.loads(pickle.dumps(cfg))
    with open_dict(whole):
        whole.hydra = HydraConfig.get()
    return whole
