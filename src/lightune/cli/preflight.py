"""Judge a configuration before Hydra makes a folder for it.

Hydra makes a run's folder before it calls the task, so a refusal that leaves nothing behind has to come from a
callback. This module must not import torch or Lightning at its top: refusals that need neither come without them.
"""

import functools
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.core.utils import env_override
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import Container, DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from lightune.cli import no_effect
from lightune.cli.refusal import words_of
from lightune.config.static.signatures import describe
from lightune.config.validate import find_problems
from lightune.errors import ConfigError, Problem
from lightune.job.folders import folder_problems, job_config, override, reserve_folder
from lightune.job.handover import handover
from lightune.job.hydra_files import restore_multirun, withhold
from lightune.job.hydra_node import judge_job
from lightune.paths import outer_rank
from lightune.private_api.hydra import points_of_grid
from lightune.private_api.omegaconf import node_of, text_of
from lightune.runtime.contained import require_contained
from lightune.runtime.plain_text import say
from lightune.study.agreement import Monitors
from lightune.study.definition.identity import overrides_of
from lightune.training.imports import import_training

if TYPE_CHECKING:
    from lightune.study.definition.definition import Definition

__all__ = ["Preflight"]

_MOST_POINTS = 1000  # of a grid that are judged in advance; the rest is judged when its turn comes
_MOST_REFUSED = 20  # points; more would say the same
_OF_A_JOB = re.compile(r"\$\{(?!hydra[.:]|now:|output_root\}|name\})")
_AS_IT_IS = "~hydra.callbacks.lightune"
_OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"


class Preflight(Callback):
    """Refuse what cannot run: exit code 2, every problem in one message, nothing written."""

    _definition: "Definition | None" = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Judge and build the configuration of a single run, then reserve its folder."""
        _guarded(lambda: _check_run(config))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Judge the points of a grid, and each end of what is searched."""

        def check() -> None:
            self._definition = _check_multirun(config)

        _guarded(check)
        self.withheld = handover.withheld

    def take_definition(self) -> "Definition | None":
        """Return what was read of a study, once, for the sweeper: a worker's process has no use for it."""
        definition, self._definition = self._definition, None
        return definition

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hand over in a worker's process what was seen in the sweeper's."""
        if hasattr(self, "withheld"):
            handover.withheld = self.withheld

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave the configuration of the multirun as it was composed."""
        if getattr(self, "withheld", None) is not None:
            restore_multirun(config)


def _guarded(check: Callable[[], None]) -> None:
    """Let no exception out: Hydra would make a warning of it and train all the same."""
    try:
        check()
    except ConfigError as refusal:
        if outer_rank() == 0:  # the other processes of a run would say the same
            say(refusal, error=True)
        sys.exit(2)
    except HydraException as error:
        say(words_of(error), error=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - said in full, and the run does not start
        say(traceback.format_exc().rstrip(), error=True)
        sys.exit(1)
    handover.passed = True


def _check_run(config: DictConfig) -> None:
    cfg = job_config(config)
    handover.resumed = handover.withheld = None
    if isinstance(cfg.resume, str):
        _check_resumed(config, cfg, Path(cfg.resume))
        return
    with _job_environment(config):
        problems = find_problems(cfg)
    _raise_any(_with_folders(problems, config, multirun=False))
    _say(no_effect.of_run(config, cfg))
    import_training()
    from lightune.config.build import build
    from lightune.runtime.quiet import quiet

    with quiet(verbose=bool(config.hydra.verbose)), _job_environment(config):
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


@contextmanager
def _job_environment(config: DictConfig) -> Iterator[None]:
    """Set the variables of `hydra.job.env_set` meanwhile, as a job does: it is judged as it will be."""
    asked = config.hydra.job.env_set
    variables = {}
    for name in asked:
        with suppress(OmegaConfBaseException, ValueError):  # it may name what only a job knows
            variables[str(name)] = str(asked[name])
    with env_override(variables):
        yield


def _check_resumed(config: DictConfig, composed: DictConfig, run_dir: Path) -> None:
    """Judge what a run would go on with; Hydra then works in its folder and writes nothing of its own there."""
    from lightune.training.resumable_checkpoints import require_sound_checkpoints
    from lightune.training.resumption import resumed_config
    from lightune.training.run_owner import only_owner

    cfg = resumed_config(run_dir, config.hydra.overrides.task, composed)
    with _job_environment(config):
        problems = find_problems(cfg)
    _raise_any(problems)
    import_training()
    from lightune.config.build import build
    from lightune.reporting.data_file import require_same_data
    from lightune.runtime.quiet import quiet

    with only_owner(run_dir) if outer_rank() == 0 else nullcontext(), quiet(bool(config.hydra.verbose)):
        require_sound_checkpoints(run_dir)
        with _job_environment(config):
            handover.parts = build(cfg)
        require_same_data(run_dir, handover.parts.data)
    handover.resumed = cfg
    _write_nothing(config, run_dir)


def _write_nothing(config: DictConfig, run_dir: Path) -> None:
    """Let Hydra work in a folder without writing to it."""
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.run.dir = str(run_dir)
        config.hydra.output_subdir = None


def _check_multirun(config: DictConfig) -> "Definition | None":
    """Refuse a multirun that cannot run; return what a study is, if it is one."""
    handover.withheld = None
    definition: Definition | None = None
    monitors = Monitors()
    ours = str(config.hydra.sweeper.get("_target_", "")).startswith(no_effect.OUR_PLUGINS)
    with _job_environment(config):
        if ours:
            from lightune.study.preflight import (
                judged_definition,
            )  # which every other command starts faster without

            definition, problems = judged_definition(config)
        else:
            problems = _point_problems(config, monitors)
    if config.resume is not None:
        problems.append(Problem("resume", f"goes on with one run, not with a multirun, got {config.resume}"))
    problems += _launcher_problems(config)
    if not problems:
        problems += _direction_problems(config, monitors)
    _raise_any(_with_folders(problems, config, multirun=True))
    _say(no_effect.of_multirun(config, job_config(config), definition))
    if several := str(monitors):
        _say([f"jobs of this multirun follow different metrics, which cannot be compared: {several}"])
    if _goes_on(config):
        require_contained(Path(str(config.hydra.sweep.dir)))
    elif not ours:  # a study goes on in the folder that it has
        reserve_folder(config, multirun=True)
    handover.withheld = withhold(config, job_config(config), multirun=True)
    return definition


def _goes_on(config: DictConfig) -> bool:
    """Tell whether the command takes the folder of a multirun as it is: its jobs may have begun there."""
    lines: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    return _AS_IT_IS in lines


def _point_problems(config: DictConfig, monitors: Monitors) -> list[Problem]:
    problems: list[Problem] = []
    refused = 0
    known = functools.cache(describe)
    for lines, cfg in _jobs(config):
        if _is_grid(config):  # else it is what jobs share, and none of them
            monitors.add(cfg, lines)
        found = find_problems(cfg, describe=known)
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


def _with_folders(problems: list[Problem], config: DictConfig, *, multirun: bool) -> list[Problem]:
    """Add what is wrong with the folders, unless that follows from what is known to be wrong."""
    if any(problem.key in ("name", "output_root") for problem in problems):
        return problems
    return [*problems, *folder_problems(config, multirun=multirun)]


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


def _direction_problems(config: DictConfig, monitors: Monitors) -> Iterator[Problem]:
    """Let Optuna's sweeper seek what `monitor.mode` says; refuse a direction that says otherwise.

    All of its trials must follow one metric, or it would compare what cannot be compared.
    """
    sweeper = config.hydra.sweeper
    if sweeper.get("_target_") != _OPTUNA:
        return
    loader = GlobalHydra.instance().config_loader()
    for lines in _variations(config):
        with suppress(HydraException, OmegaConfBaseException):  # said when its turn comes
            monitors.add(job_config(loader.load_sweep_config(config, lines)), lines)
    if several := str(monitors):
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


def _launcher_problems(config: DictConfig) -> Iterator[Problem]:
    """Refuse a width of the fused launcher that is none."""
    launcher = config.hydra.launcher
    if not str(launcher.get("_target_", "")).endswith("FusedLauncher"):
        return
    width = launcher.fused_width
    if width is not None and (not isinstance(width, int) or isinstance(width, bool) or width < 2):
        rule = "must be a whole number >= 2, or null for as many as memory holds"
        yield Problem("hydra.launcher.fused_width", f"{rule}, got {width}")


def _raise_any(problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
