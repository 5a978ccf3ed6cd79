"""What is wrong with a composed command: with a run, or with a multirun and the jobs that it stands for.

Nothing is written, and nothing is said. This module must not import Optuna, torch or Lightning at its top.
"""

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.core.utils import env_override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import Container, DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lightune.cli import no_effect
from lightune.config.finders import swept_problems
from lightune.config.static.signatures import describe
from lightune.config.validate import THE_FILE, find_problems
from lightune.errors import Problem
from lightune.job.folders import folder_problems, job_config, override
from lightune.job.hydra_node import judge_job
from lightune.paths import FROM
from lightune.private_api.hydra import points_of_grid
from lightune.private_api.omegaconf import node_of, text_of
from lightune.study.agreement import Jobs
from lightune.study.definition.identity import overrides_of
from lightune.study.executors.launcher import launcher_of

if TYPE_CHECKING:
    from lightune.study.definition.definition import Definition

__all__ = ["JudgedMultirun", "is_study", "job_environment", "judge_multirun", "run_problems"]

_MOST_POINTS = 1000  # of a grid that are judged in advance; the rest is judged when its turn comes
_MOST_REFUSED = 20  # points; more would say the same
_OF_A_JOB = re.compile(r"\$\{(?!hydra[.:]|now:|output_root\}|name\})")
_OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"


def run_problems(config: DictConfig, cfg: DictConfig) -> list[Problem]:
    """Return what is wrong with a run.

    Args:
        config: as Hydra composed it, with its own node.
        cfg: the same without it.
    """
    with job_environment(config):
        problems = find_problems(cfg)
    problems += _base_problems(config)
    return _with_folders(_with_files(problems, config), config, multirun=False)


def _with_files(problems: list[Problem], config: DictConfig) -> list[Problem]:
    """Name the files of the options that problems are about."""
    named = []
    for problem in problems:
        option = config.hydra.runtime.choices.get(problem.key)
        file = f"{problem.key}/{option}.yaml" if option else THE_FILE
        named.append(replace(problem, message=problem.message.replace(THE_FILE, file)))
    return named


@dataclass
class JudgedMultirun:
    """What was found of a multirun.

    Args:
        problems: what is wrong with it; none if it can run.
        definition: what it is as a study; None by another sweeper.
        jobs: what its jobs are judged by, of another sweeper.
    """

    problems: list[Problem] = field(default_factory=list)
    definition: "Definition | None" = None
    jobs: Jobs = field(default_factory=Jobs)


def is_study(config: DictConfig) -> bool:
    """Return True if a multirun is one of lightune's own sweeper."""
    return str(config.hydra.sweeper.get("_target_", "")).startswith(no_effect.OUR_PLUGINS)


def judge_multirun(config: DictConfig) -> JudgedMultirun:
    """Find what is wrong with a multirun.

    Args:
        config: as Hydra composed it; another sweeper's direction is set in it.

    Raises:
        ConfigError: if its space is not sound; nothing else was looked at.
        hydra.errors.HydraException: if a job of another sweeper cannot be composed.
    """
    judged = JudgedMultirun()
    with job_environment(config):
        if is_study(config):
            from lightune.study.preflight import (
                judged_definition,
            )  # which every other command starts faster without

            judged.definition, judged.problems = judged_definition(config)
        else:
            judged.problems = _point_problems(config, judged.jobs)
    problems = judged.problems
    problems += _base_problems(config)
    if config.resume is not None:
        problems.append(Problem("resume", f"goes on with one run, not with a multirun, got {config.resume}"))
    if (launcher := launcher_of(config)) is not None:
        problems += launcher.problems(config.hydra.launcher)
    if not problems:
        problems += _direction_problems(config, judged.jobs)
    problems = _with_folders(_with_files(problems, config), config, multirun=True)
    judged.problems = list(dict.fromkeys(problems))
    return judged


def _base_problems(config: DictConfig) -> Iterator[Problem]:
    """Yield what is wrong if a file says what `from=` is to say: it was read before any file is."""
    if config.get(FROM) is not None and config.hydra.job.config_name != FROM:
        rule = (
            f"is read from the command line alone, and a file says {config[FROM]}; type {FROM}=RUN, or {FROM}=null"
        )
        yield Problem(FROM, rule)


@contextmanager
def job_environment(config: DictConfig) -> Iterator[None]:
    """Set the variables of `hydra.job.env_set` meanwhile, as a job does: it is judged as it will be."""
    asked = config.hydra.job.env_set
    variables = {}
    for name in asked:
        with suppress(OmegaConfBaseException, ValueError):  # it may name what only a job knows
            variables[str(name)] = str(asked[name])
    with env_override(variables):
        yield


def _with_folders(problems: list[Problem], config: DictConfig, *, multirun: bool) -> list[Problem]:
    """Add what is wrong with the folders, unless that follows from what is known to be wrong."""
    if any(problem.key in ("name", "output_root") for problem in problems):
        return problems
    return [*problems, *folder_problems(config, multirun=multirun)]


def _point_problems(config: DictConfig, jobs: Jobs) -> list[Problem]:
    problems: list[Problem] = []
    refused = 0
    known = functools.cache(describe)
    for lines, cfg in _jobs(config):
        if _is_grid(config):  # else it is what jobs share, and none of them
            jobs.add(cfg, lines)
        found = [*find_problems(cfg, describe=known), *swept_problems(cfg.get("trainer"), _swept_keys(config))]
        problems += found
        refused += bool(found)
        if refused == _MOST_REFUSED:
            break
    if not problems:
        _judge_places(config)
    return problems


def _judge_places(config: DictConfig) -> None:
    """Judge where each job of a grid writes, if that depends on what is swept.

    Raises:
        ConfigError: of the first that writes elsewhere.
    """
    places = OmegaConf.masked_copy(config.hydra, ["job_logging"])
    written = f"{text_of(config.hydra.sweep, 'subdir')}\n{OmegaConf.to_yaml(places)}"
    loader = GlobalHydra.instance().config_loader()
    for number, lines in enumerate(_points(config)):
        if _OF_A_JOB.search(written) or ("override_dirname" in written and ".." in "".join(lines)):
            judge_job(loader.load_sweep_config(config, lines), number)


def _jobs(config: DictConfig) -> Iterator[tuple[list[str], DictConfig]]:
    """Yield overrides and configuration of each job of a grid; in another search, what every job shares.

    Composing takes Hydra a fifth of a second. So it is done once for each choice of options, and jobs that
    differ only in plain values change those in place: a configuration holds until the next one is asked for.
    """
    loader = GlobalHydra.instance().config_loader()
    composed: dict[tuple[str, ...], DictConfig] = {}
    parse = functools.cache(lambda line: OverridesParser.create().parse_override(line))
    plain: dict[str, bool] = {}
    master = job_config(config)
    for lines in _points(config):
        changes = {line: parse(line) for line in lines}
        for line, change in changes.items():
            plain.setdefault(line, _is_plain(change, master))
        chosen = tuple(line for line in lines if not plain[line])
        if chosen not in composed:
            composed[chosen] = job_config(loader.load_sweep_config(config, lines))
        cfg = composed[chosen]
        with open_dict(cfg):
            for line, change in changes.items():
                if plain[line]:
                    OmegaConf.update(cfg, change.key_or_group, change.value())
        yield lines, cfg


def _is_plain(change: Override, cfg: DictConfig) -> bool:
    """Tell whether an override exchanges one plain value for another, which cannot change what is composed."""
    parent, _, key = change.key_or_group.rpartition(".")
    owner = OmegaConf.select(cfg, parent) if parent else cfg
    if change.is_delete() or change.package or not isinstance(owner, DictConfig) or key not in owner:
        return False
    value = node_of(owner, key)
    return not isinstance(value, Container) and isinstance(change.value(), str | int | float | QuotedString)


def _swept_keys(config: DictConfig) -> list[str]:
    """Return the keys that another sweeper sweeps."""
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*params, *overrides_of(config, "task")])
    return [each.key_or_group for each in parsed if each.is_sweep_override()]


def _is_grid(config: DictConfig) -> bool:
    return str(config.hydra.sweeper.get("_target_", "")).endswith("BasicSweeper")


def _points(config: DictConfig) -> Iterator[list[str]]:
    """Yield the overrides of each job of a grid; in another search, those that every job shares."""
    arguments = overrides_of(config, "task")
    if not _is_grid(config):
        parsed = OverridesParser.create().parse_overrides(arguments)
        yield [line for line, override in zip(arguments, parsed, strict=True) if not override.is_sweep_override()]
        return
    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    loader = GlobalHydra.instance().config_loader()
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*swept, *arguments])
    yield from points_of_grid(parsed, _MOST_POINTS)


def _variations(config: DictConfig) -> Iterator[list[str]]:
    """Yield the overrides of trials in which, one by one, each listed value of Optuna's sweeper stands."""
    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*swept, *overrides_of(config, "task")])
    listed = [override for override in parsed if override.is_discrete_sweep()]
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    values = [
        [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()][:_MOST_POINTS]
        for override in listed
    ]
    first = [lines[0] for lines in values if lines]
    for place, lines in enumerate(filter(None, values)):
        for line in lines[:_MOST_REFUSED]:
            yield [*fixed, *first[:place], line, *first[place + 1 :]]


def _direction_problems(config: DictConfig, jobs: Jobs) -> Iterator[Problem]:
    """Let Optuna's sweeper seek what `monitor.mode` says; refuse a direction that says otherwise.

    All of its trials must follow one metric, or it would compare what cannot be compared.

    Raises:
        hydra.errors.MissingConfigException: if an option does not exist.
    """
    sweeper = config.hydra.sweeper
    if sweeper.get("_target_") != _OPTUNA:
        return
    loader = GlobalHydra.instance().config_loader()
    for lines in _variations(config):
        try:
            jobs.add(job_config(loader.load_sweep_config(config, lines)), lines)
        except MissingConfigException:  # an option that there is not, beside whatever else
            raise
        except (HydraException, OmegaConfBaseException):
            continue  # said when its turn comes
    if several := jobs.metrics:
        rule = f"must be the same for all trials of a study, got {several}"
        advice = "make a study of each, or set monitor.metric and monitor.mode to what all of them measure"
        yield Problem("monitor", f"{rule}; {advice}")
        return
    import lightune.private_api.optuna  # noqa: F401 - which reads no sampler's state that may hold code

    key, mode = "hydra.sweeper.direction", config.monitor.mode
    wanted = {"min": "minimize", "max": "maximize"}[mode]
    given = sweeper.direction
    if not isinstance(given, str | Container):  # the default is a member of an enumeration
        override(config, key, wanted)
    elif given not in (wanted, [wanted]):
        yield Problem(key, f"must be {wanted}, as monitor.mode is {mode}, got {given}; leave it away")
