"""What is said of a command that is refused: all that is wrong with it, at once.

What is left (a broken YAML file, say) is said in Hydra's words. This module must not import torch or Lightning.
"""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import CompactHydraException, HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lightune.cli.judgement import is_study, judge_multirun, run_problems
from lightune.config.composing import UNREADABLE, composing, unreadable_files
from lightune.config.overrides import install_advice, judged
from lightune.config.static.annotations import did_you_mean
from lightune.config.validate import find_problems
from lightune.errors import ConfigError, Problem
from lightune.job.folders import folder_problems, job_config
from lightune.job.hydra_node import hydra_problems
from lightune.paths import conf_dir
from lightune.study.agreement import fixed_part

__all__ = ["problems_of", "words_of"]

_WITH_VALUE = {
    "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p", "--cfg", "-c",
    "--info", "-i", "--experimental-rerun",
}  # fmt: skip
_BEST = "best.yaml"
_HYDRAS = (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError)
"""What Hydra raises of words that it cannot compose."""


def words_of(error: Exception, arguments: Sequence[str] | None = None) -> str:
    """Return what is wrong with the command that ended in an error.

    Args:
        error: as Hydra raised it, or what refuses Hydra's own node.
        arguments: the words after the program's name; this process's own by default.
    """
    problems = problems_of(error, sys.argv[1:] if arguments is None else arguments)
    if problems:
        return str(ConfigError(problems))
    lines = [str(error)]
    if isinstance(error, CompactHydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        lines.append(str(error.__cause__))
    return "\n".join([*lines, *_hints(error)])


def problems_of(error: Exception, arguments: Sequence[str]) -> list[Problem]:
    """Return all that is wrong with the command that ended in an error; nothing if only Hydra can say it.

    Args:
        error: as `words_of` takes it.
        arguments: the words after the program's name.
    """
    command = _Command.of(arguments)
    problems = list(error.problems) if isinstance(error, ConfigError) else fixed_part(error)
    if isinstance(error, (*_HYDRAS, *UNREADABLE, ConfigError)):
        with suppress(*_HYDRAS, *UNREADABLE, ConfigError):  # the command is not what is wrong
            problems += _problems(command)
    if isinstance(error, UNREADABLE):
        problems += unreadable_files(command.config_dir, error)
    return list(dict.fromkeys(problems))


def _hints(error: Exception) -> Iterator[str]:
    if not isinstance(error, MissingConfigException) or not error.missing_cfg_file:
        return
    group, _, option = error.missing_cfg_file.rpartition("/")
    if hint := install_advice(group, option) or did_you_mean(option, error.options or ()).strip():
        yield hint


@dataclass(frozen=True)
class _Command:
    """A command line in its parts.

    Args:
        overrides: the words that are no flags.
        config_dir: of `--config-dir`.
        config_name: of `--config-name`.
        multirun: whether it is one.
        has_path: whether `--config-path` is given.
    """

    overrides: tuple[str, ...]
    config_dir: str | None = None
    config_name: str = "train"
    multirun: bool = False
    has_path: bool = False

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "_Command":
        overrides: list[str] = []
        flags: dict[str, str] = {}
        words = iter(arguments)
        for word in words:
            name, given, value = word.partition("=")
            if name in _WITH_VALUE:
                flags[name] = value if given else next(words, "")
            elif not word.startswith("-"):
                overrides.append(word)
        return cls(
            tuple(overrides),
            flags.get("--config-dir", flags.get("-cd")),
            flags.get("--config-name", flags.get("-cn", "train")),
            any(word in ("-m", "--multirun") for word in arguments),
            any(flag in flags for flag in ("--config-path", "-cp")),
        )


def _problems(command: _Command) -> list[Problem]:
    """Return what is wrong with the overrides of a command, each tried by itself, and with what is left of it."""
    if command.config_dir is not None and not Path(command.config_dir).is_dir():
        return [Problem("--config-dir", f"there is no folder {Path(command.config_dir).absolute()}")]
    if missing := _missing_name(command):
        return [missing]
    with composing(command.config_dir, command.config_name) as files:
        sweeps: Any = "left" if command.multirun else "refused"
        words = judged(command.overrides, files, quote=shlex.quote, sweeps=sweeps)
        config = files.compose_whole(words.sound, multirun=command.multirun)
        if command.multirun and not is_study(config):  # whose jobs nobody composes before the first begins
            words = judged(command.overrides, files, quote=shlex.quote, sweeps="tried")
            config = files.compose_whole(words.sound, multirun=True)
        return [*words.problems, *words.sure(_found(config, command))]


def _missing_name(command: _Command) -> Problem | None:
    """Return that no folder has the file that is named; None if one has it, or the folders are not known."""
    if command.has_path:
        return None
    name = f"{command.config_name.removesuffix('.yaml')}.yaml"
    own = [] if command.config_dir is None else [Path(command.config_dir)]
    if any((folder / name).is_file() for folder in (*own, conf_dir())):
        return None
    rule = f"there is no {name} in {own[0] if own else conf_dir()}"
    advice = "; a study has one as soon as it has a best trial" if name == _BEST else ""
    return Problem("--config-name", rule + advice if own else f"{rule}; --config-dir says where it lies")


def _found(config: DictConfig, command: _Command) -> list[Problem]:
    """Return what is wrong with a composed command, as it would be refused."""
    try:
        of_hydra = list(hydra_problems(config))
    except OmegaConfBaseException:  # it refers to a key that cannot be resolved
        of_hydra = find_problems(job_config(config))
        if not of_hydra:
            raise
    if not of_hydra:
        return _of_jobs(config) if command.multirun else run_problems(config, job_config(config))
    found = find_problems(job_config(config))
    found = [*of_hydra, *found, *([] if found else folder_problems(config, multirun=command.multirun))]
    if command.multirun:
        known = {problem.key for problem in found}
        with suppress(*_HYDRAS):  # of what is known to be wrong
            found += [problem for problem in _of_jobs(config) if problem.key not in known]
    return found


def _of_jobs(config: DictConfig) -> list[Problem]:
    """Return what is wrong with a multirun and its jobs."""
    try:
        return judge_multirun(config).problems
    except ConfigError as refusal:
        return list(refusal.problems)
