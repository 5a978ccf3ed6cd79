"""`lightune-train` and `python train.py`: the Hydra application that trains.

This module must not import torch or Lightning at its top: help, completion, `--cfg` and refusals are light.
"""

import os
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from lightune.cli.folders import folder_problems
from lightune.cli.hydra_files import conceal
from lightune.cli.preflight import handover
from lightune.cli.refusal import words_of
from lightune.config.trust import whitelist
from lightune.errors import ConfigError, StopRequested, StudyFailedError, TrialError
from lightune.imports import import_training
from lightune.paths import conf_dir, outer_rank
from lightune.study import Trial, current_trial
from lightune.study.stopwatch import once_for_all

if TYPE_CHECKING:
    from torch.nn import Module

    from lightune.reporting.result import Result

_FULL_ERROR = "HYDRA_FULL_ERROR"


def main() -> None:
    """Run the application on this process's arguments.

    Exit codes: 0 done; 1 training failed; 2 refused, nothing was started; 130 or 143 interrupted.
    """
    put_current_folder_on_path()
    handover.passed = False
    application = hydra.main(
        config_path=str(conf_dir().absolute()), config_name="train", execution_whitelist=list(whitelist())
    )(task)
    wants_traceback = os.environ.get(_FULL_ERROR) == "1"
    os.environ[_FULL_ERROR] = "1"  # Hydra hands us its exceptions instead of printing them
    try:
        application()
    except (StudyFailedError, TrialError):
        if wants_traceback:
            raise
        sys.exit(1)  # the sweeper has said which trials and why
    except KeyboardInterrupt:
        sys.exit(130)
    except StopRequested as stop:
        sys.exit(128 + stop.signum)
    except Exception as error:
        if wants_traceback or (handover.passed and not isinstance(error, ConfigError)):
            raise
        print(words_of(error), file=sys.stderr)
        sys.exit(2)
    finally:
        if not wants_traceback:
            del os.environ[_FULL_ERROR]


def task(cfg: DictConfig) -> float | list[float | None] | None:
    """Train one configuration; return its objective, or several, as a sweeper expects."""
    hydra_config = HydraConfig.get()
    resumed, handover.resumed = handover.resumed, None
    run_dir = open_run_dir(cfg, follows=resumed is not None or outer_rank() > 0)
    multirun = hydra_config.mode == RunMode.MULTIRUN
    if multirun:
        cfg.test = False  # a search that reads the test part has none left to be judged by
    with once_for_all():  # it takes seconds: Hydra's files are safe by now
        import_training()
        from lightune.run import InterruptedRun, TrainingError, prepare, train

    if resumed is not None:
        cfg = resumed
    parts = handover.take_parts() or prepare(cfg)
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
        failure = TrialError(str(error))
    except InterruptedRun as interrupted:
        sys.exit(interrupted.exit_code)
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
    """
    if trial is None or not trial.objectives:
        return result.objective.value
    figures = {**result.metrics, result.objective.metric: result.objective.value}
    figures["seconds"] = sum(result.seconds.values())
    figures["parameters"] = float(sum(parameter.numel() for parameter in task.parameters()))
    return [figures.get(metric) for metric in trial.objectives]


def _as_trial(trial: Trial) -> dict[str, Any]:
    """Return what a training is told of the trial that it is."""
    report = trial.report if trial.prunes else None
    return {"report": report, "resume": trial.resume, "hparams": trial.hparams()}


def open_run_dir(cfg: DictConfig, *, follows: bool = False) -> Path:
    """Take over the folder that Hydra has made for the job under way; return it.

    Args:
        cfg: the job's configuration.
        follows: whether the folder was made before, and judged then.

    Raises:
        ConfigError: if something would be written elsewhere.
    """
    hydra_config = HydraConfig.get()
    run_dir = Path(hydra_config.runtime.output_dir)
    if hydra_config.output_subdir is not None:
        sets_nothing = not hydra_config.job.env_set
        conceal(run_dir / hydra_config.output_subdir, cfg, handover.env_set, sets_nothing=sets_nothing)
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


def put_current_folder_on_path() -> None:
    """Let configurations name a package in the current folder; what is installed comes first."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


if __name__ == "__main__":
    from lightune.cli import start  # it imports this module by its own name, which workers know the task by

    start.train()
