"""Judge a configuration before Hydra makes a folder for it.

Hydra makes a run's folder before it calls the task, so a refusal that leaves nothing behind has to come from a
callback. This module must not import torch or Lightning at its top: refusals that need neither come without them.
"""

import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from lightune.cli.foresight import job_config, space_problems
from lightune.config.validate import find_problems
from lightune.errors import ConfigError, Problem
from lightune.paths import create_run_dir, is_inside

if TYPE_CHECKING:
    from lightune.config.build import Parts

__all__ = ["Preflight", "handover"]

_OURS = "hydra_plugins.hydra_lightune."
_MOST_POINTS = 1000  # of a grid that are judged in advance; the rest is judged when its turn comes


@dataclass
class Handover:
    """What the preflight leaves for the task that follows it in this process.

    Args:
        passed: whether a configuration was found sound.
        parts: what was built of it; None in a multirun, where every job builds its own.
        env_set: Hydra's environment settings as written, before they were resolved.
    """

    passed: bool = False
    parts: "Parts | None" = None
    env_set: Any = None

    def take_parts(self) -> "Parts | None":
        """Return the parts once; the next caller builds its own."""
        parts, self.parts = self.parts, None
        return parts


handover = Handover()


class Preflight(Callback):
    """Refuse what cannot run: exit code 2, every problem in one message, nothing written."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Judge and build the configuration of a single run, then reserve its folder."""
        _guarded(lambda: _check_run(config))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Judge the points of a grid, and each end of what is searched."""
        _guarded(lambda: _check_multirun(config))
        self.env_set = handover.env_set

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hand over in a worker's process what was seen in the sweeper's."""
        if hasattr(self, "env_set"):
            handover.env_set = self.env_set


def _guarded(check: Callable[[], None]) -> None:
    """Let no exception out: Hydra would make a warning of it and train all the same."""
    try:
        check()
    except ConfigError as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)
    except HydraException as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - said in full, and the run does not start
        traceback.print_exc()
        sys.exit(1)
    handover.passed = True


def _check_run(config: DictConfig) -> None:
    cfg = job_config(config)
    _raise_any(find_problems(cfg))
    _raise_any(list(_folder_problems(config, "hydra.run.dir", cfg)))
    from lightune.run import prepare

    handover.env_set = OmegaConf.to_container(config.hydra.job.env_set, resolve=False)
    handover.parts = prepare(cfg)
    wanted = str(OmegaConf.select(config, "hydra.run.dir"))
    try:
        reserved = create_run_dir(wanted)
    except OSError as error:
        raise ConfigError([Problem("output_root", f"cannot be written to: {error}")]) from error
    if reserved != wanted:
        raw = OmegaConf.to_container(config.hydra.run, resolve=False)
        assert isinstance(raw, dict)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.run.dir = f"{raw['dir']}{reserved.removeprefix(wanted)}"


def _check_multirun(config: DictConfig) -> None:
    handover.env_set = OmegaConf.to_container(config.hydra.job.env_set, resolve=False)
    target = str(config.hydra.sweeper.get("_target_", ""))
    if target.startswith(_OURS):
        problems, cfg = space_problems(config)
    else:
        problems, cfg = [], None
        for overrides in _points(config):
            cfg = job_config(GlobalHydra.instance().config_loader().load_sweep_config(config, overrides))
            problems += find_problems(cfg)
    assert cfg is not None
    _raise_any(list(dict.fromkeys(problems)))
    _raise_any(list(_folder_problems(config, "hydra.sweep.dir", cfg)))


def _points(config: DictConfig) -> Iterator[list[str]]:
    """Yield the overrides of each job of a grid; in another search, those that every job shares."""
    arguments = list(config.hydra.overrides.task)
    if not str(config.hydra.sweeper.get("_target_", "")).endswith("BasicSweeper"):
        parsed = OverridesParser.create().parse_overrides(arguments)
        yield [line for line, override in zip(arguments, parsed, strict=True) if not override.is_sweep_override()]
        return
    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    loader = GlobalHydra.instance().config_loader()
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*swept, *arguments])
    batches = BasicSweeper.split_arguments(parsed, _MOST_POINTS)
    yield from batches[0]


def _folder_problems(config: DictConfig, key: str, cfg: DictConfig) -> Iterator[Problem]:
    try:
        folder = str(OmegaConf.select(config, key))
        if not is_inside(folder, str(cfg.output_root)):
            rule = f"must lie below output_root ({cfg.output_root}), got {folder}; set output_root or name instead"
            yield Problem(key, rule)
        for part in [Path(folder), *Path(folder).parents]:
            if part.exists() and not part.is_dir():
                yield Problem(key, f"cannot be made: {part} is a file")
    except OmegaConfBaseException as error:
        yield Problem(key, f"cannot be resolved: {str(error).splitlines()[0]}")


def _raise_any(problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(problems)
