"""`lightune-train` and `python train.py`: the Hydra application that trains.

This module must not import torch or Lightning at its top: help, completion, `--cfg` and refusals are light.
"""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lightune.cli.hydra_files import conceal
from lightune.cli.preflight import handover
from lightune.config.annotations import did_you_mean
from lightune.config.trust import whitelist
from lightune.errors import ConfigError, StudyFailedError, TrialError
from lightune.paths import conf_dir
from lightune.study import Trial, current_trial

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
    except Exception as error:
        if wants_traceback or (handover.passed and not isinstance(error, ConfigError)):
            raise
        _refuse(error)
    finally:
        if not wants_traceback:
            del os.environ[_FULL_ERROR]


def task(cfg: DictConfig) -> float | list[float | None] | None:
    """Train one configuration; return its objective, or several, as a sweeper expects."""
    from lightune.run import InterruptedRun, TrainingError, prepare, train

    hydra_config = HydraConfig.get()
    run_dir = Path(hydra_config.runtime.output_dir)
    if hydra_config.mode == RunMode.MULTIRUN:
        cfg.test = False  # a search that reads the test part has none left to be judged by
    conceal(run_dir, cfg, handover.env_set)
    parts = handover.take_parts() or prepare(cfg)
    trial = current_trial()
    failure = None
    try:
        result = train(
            cfg, parts=parts, run_dir=run_dir, verbose=bool(hydra_config.verbose), **_as_trial(cfg, trial)
        )
    except TrainingError as error:
        failure = TrialError(str(error))
    except InterruptedRun as interrupted:
        sys.exit(interrupted.exit_code)
    if failure is not None and hydra_config.mode == RunMode.MULTIRUN:
        raise failure  # not from the training's own error, which the sweeper's process would import torch to read
    if failure is not None:
        sys.exit(1)
    if trial is None or not trial.objectives:
        return result.objective.value
    figures = {**result.metrics, result.objective.metric: result.objective.value}
    figures["seconds"] = sum(result.seconds.values())
    figures["parameters"] = float(sum(parameter.numel() for parameter in parts.task.parameters()))
    return [figures.get(metric) for metric in trial.objectives]


def _as_trial(cfg: DictConfig, trial: Trial | None) -> dict[str, Any]:
    """Return what a training is told of the trial that it is."""
    if trial is None:
        return {}
    from lightune.callbacks import Pruning

    watchers = [Pruning(cfg.monitor.metric, trial.report)] if trial.prunes else []
    return {"watchers": watchers, "resume": trial.resume, "hparams": trial.hparams()}


def put_current_folder_on_path() -> None:
    """Let configurations name a package in the current folder; what is installed comes first."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _refuse(error: Exception) -> NoReturn:
    """Say what Hydra, or the validator, has against a command, and what may have been meant."""
    lines = [str(error)]
    if isinstance(error, CompactHydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        lines.append(str(error.__cause__))
    if hint := _hint(error):
        lines.append(hint)
    print("\n".join(lines), file=sys.stderr)
    sys.exit(2)


def _hint(error: Exception) -> str:
    """Name the nearest option of a group; for a misspelt key Hydra does so itself."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        return did_you_mean(error.missing_cfg_file.rpartition("/")[2], error.options).strip()
    return ""


if __name__ == "__main__":
    main()
