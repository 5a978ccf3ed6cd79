"""What is done before a command starts: it is judged, its parts are built, and its folder is reserved.

This module must not import torch or Lightning at its top: refusals that need neither come without them.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightune.cli import no_effect
from lightune.cli.judgement import is_study, job_environment, judge_multirun, run_problems
from lightune.config.validate import find_problems
from lightune.errors import ConfigError, Problem
from lightune.job.folders import job_config, reserve_folder
from lightune.job.handover import handover
from lightune.job.hydra_files import withhold
from lightune.paths import expanded, outer_rank
from lightune.runtime.contained import require_contained
from lightune.runtime.last_digits import make_portable
from lightune.runtime.plain_text import say
from lightune.training.imports import import_training

if TYPE_CHECKING:
    from lightune.study.definition.definition import Definition

__all__ = ["check_multirun", "check_run"]

_AS_IT_IS = "~hydra.callbacks.lightune"


def check_run(config: DictConfig) -> None:
    """Judge a run, build its parts and reserve its folder.

    Raises:
        ConfigError: with all problems at once; nothing was written.
    """
    cfg = job_config(config)
    handover.resumed = handover.withheld = None
    make_portable(OmegaConf.select(cfg, "trainer.portable"))
    if isinstance(cfg.resume, str):
        _check_resumed(config, cfg, Path(expanded(cfg.resume)))
        return
    _raise_any(run_problems(config, cfg))
    _say(no_effect.of_run(config, cfg))
    import_training()
    from lightune.config.build import build
    from lightune.runtime.quiet import quiet

    with quiet(verbose=bool(config.hydra.verbose)), job_environment(config):
        handover.parts = build(cfg)
    _say(no_effect.after_building(config, handover.parts))
    if outer_rank() > 0:
        _write_nothing(config, Path())  # the first process makes the folder
    else:
        reserve_folder(config, multirun=False)
        handover.withheld = withhold(config, cfg, multirun=False)


def _say(lines: Iterable[str]) -> None:
    """Print lines, once for all processes of a run."""
    if outer_rank() == 0:
        for line in lines:
            say(line)


def _check_resumed(config: DictConfig, composed: DictConfig, run_dir: Path) -> None:
    """Judge what a run would go on with; Hydra then works in its folder and writes nothing of its own there."""
    from lightune.training.resumable_checkpoints import require_sound_checkpoints
    from lightune.training.resumption import resumed_config
    from lightune.training.run_owner import only_owner

    cfg = resumed_config(run_dir, config.hydra.overrides.task, composed)
    with job_environment(config):
        problems = find_problems(cfg)
    _raise_any(problems)
    import_training()
    from lightune.config.build import build
    from lightune.reporting.data_file import require_same_data
    from lightune.runtime.quiet import quiet

    with only_owner(run_dir) if outer_rank() == 0 else nullcontext(), quiet(bool(config.hydra.verbose)):
        require_sound_checkpoints(run_dir)
        with job_environment(config):
            handover.parts = build(cfg)
        require_same_data(run_dir, handover.parts.data)
    handover.resumed = cfg
    _write_nothing(config, run_dir)


def _write_nothing(config: DictConfig, run_dir: Path) -> None:
    """Let Hydra work in a folder without writing to it."""
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.run.dir = str(run_dir)
        config.hydra.output_subdir = None


def check_multirun(config: DictConfig) -> "Definition | None":
    """Judge a multirun and reserve its folder; return what a study is, if it is one.

    Raises:
        ConfigError: as `check_run`.
    """
    handover.withheld = None
    make_portable(OmegaConf.select(config, "trainer.portable"))  # in workers, too
    judged = judge_multirun(config)
    _raise_any(judged.problems)
    _say(no_effect.of_multirun(config, job_config(config), judged.definition))
    if several := judged.jobs.metrics:
        _say([f"jobs of this multirun follow different metrics, which cannot be compared: {several}"])
    if several := judged.jobs.divisions:
        same = "validation.split_seed=0 judges all on the same rows"
        _say([f"jobs of this multirun divide the data differently, by {several}; {same}"])
    if _goes_on(config):
        require_contained(Path(str(config.hydra.sweep.dir)))
    elif not is_study(config):  # a study goes on in the folder that it has
        reserve_folder(config, multirun=True)
    handover.withheld = withhold(config, job_config(config), multirun=True)
    return judged.definition


def _goes_on(config: DictConfig) -> bool:
    """Tell whether the command takes the folder of a multirun as it is: its jobs may have begun there."""
    lines: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    return _AS_IT_IS in lines


def _raise_any(problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
