"""Hydra's private names that lightune needs.

This module must not import Optuna, torch or Lightning. Hydra has no public way to compose from another search
path, to set values on a configuration that is composed already, to judge a configuration before its log files are
opened, or to make a `JobReturn` that carries what a task raised.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal import hydra as application
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core import utils
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from omegaconf import Container, DictConfig

from lightune.private_api.omegaconf import root_of

__all__ = [
    "Judge",
    "PackageSource",
    "add_folder",
    "apply_overrides",
    "flush_loggers",
    "is_basic_launcher",
    "is_files_loader",
    "judge_of",
    "judged_callbacks",
    "judged_packages",
    "judging",
    "loader_of",
    "names_a_group",
    "note_failure",
    "points_of_grid",
    "returned_or_raised",
    "start_others",
    "start_ray",
    "unshuffled",
]


Judge = Callable[[DictConfig], None]
"""Takes a composed configuration with Hydra's own node; raises if nothing may be made of it."""

PackageSource = ImportlibResourcesConfigSource
"""Hydra's source of configuration files in a package, which it imports.

For: judging the package before. Without it: a search path in YAML imports whatever it names.
"""


class _JudgedCallbacks(Callbacks):
    """Hydra's callbacks behind one that no configuration removes.

    Args:
        judge: called before any callback is made.
        first: the callback that is called before all others.
        config: whose callbacks are made.
    """

    def __init__(self, judge: Judge, first: type[Callback], config: DictConfig | None = None) -> None:
        self.judge = judge
        if config is not None:
            judge(config)
        super().__init__(config)
        others = [each for each in self.callbacks if not isinstance(each, first)]
        self.callbacks = [first(), *others]


@contextmanager
def judging(judge: Judge, first: type[Callback]) -> Iterator[None]:
    """Let applications that run meanwhile judge a configuration before they act on any of it.

    For: refusing without a trace. Without it: Hydra opens log files and makes callbacks before anybody is asked,
    and a configuration can remove the callback that would ask.

    Args:
        judge: called before log files are opened and before callbacks are made; a function of a module, which
            jobs in other processes are sent by its name.
        first: the callback that is called before all others, whether or not the configuration has it.
    """
    names = vars(application)
    before = {name: names[name] for name in ("Callbacks", "configure_log")}

    def configure_log(log_config: Any, *arguments: Any, **settings: Any) -> None:
        if isinstance(log_config, Container):
            judge(root_of(log_config))
        before["configure_log"](log_config, *arguments, **settings)

    names.update(Callbacks=partial(_JudgedCallbacks, judge, first), configure_log=configure_log)
    try:
        yield
    finally:
        names.update(before)


def judged_callbacks(judge: Judge, first: type[Callback], config: DictConfig) -> Callbacks:
    """Return the callbacks of a configuration, judged as `judging` has them judged.

    For: a multirun that is no application's. Without it: Hydra would make them unjudged.

    Args:
        judge: called before any of them is made.
        first: the callback that stands before all others.
        config: with Hydra's own node.
    """
    return _JudgedCallbacks(judge, first, config)


def start_others(callbacks: Callbacks, config: DictConfig, config_name: str) -> None:
    """Tell all callbacks but the first that a multirun begins.

    For: asking the first itself. Without it: Hydra makes a warning of what a callback raises.
    """
    others = Callbacks()
    others.callbacks = callbacks.callbacks[1:]
    others.on_multirun_start(config=config, config_name=config_name)


def judge_of(callbacks: Callbacks) -> Judge | None:
    """Return what judges the configurations of an application; None for applications of others.

    For: judging a job that another process, or another configuration file, has composed.
    """
    return callbacks.judge if isinstance(callbacks, _JudgedCallbacks) else None


@contextmanager
def judged_packages(source: type[PackageSource]) -> Iterator[None]:
    """Let Hydra read the configuration files of packages by another source meanwhile.

    For: as `PackageSource`.
    """
    types = SourcesRegistry.instance().types
    before = types["pkg"]
    types["pkg"] = source
    try:
        yield
    finally:
        types["pkg"] = before


def loader_of(places: Sequence[tuple[str, str]]) -> ConfigLoader:
    """Return a loader of configuration files.

    For: a study that composes from its snapshot. Without it: edited YAML changes a study under way.

    Args:
        places: (provider, location) of each place on the search path, the one that wins first; a location is a URL
            such as `file:///a/folder` or `pkg://a.package`.
    """
    path = ConfigSearchPathImpl()
    for provider, location in places:
        path.append(provider=provider, path=location)
    return ConfigLoaderImpl(config_search_path=path)


def add_folder(loader: ConfigLoader, folder: Path) -> ConfigLoader:
    """Return a loader that reads a folder of options as well, as `--config-dir` adds one.

    For: composing a command again as its application did. Without it: options of the folder seem not to exist.

    Args:
        loader: of the application.
        folder: that is added.
    """
    path = copy.deepcopy(loader.get_search_path())
    place = f"file://{folder.absolute()}"
    path.prepend(provider="command-line", path=place, anchor=SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(config_search_path=path)


def is_files_loader(loader: ConfigLoader) -> bool:
    """Return True if a loader is Hydra's own, whose work `apply_overrides` can do in part."""
    return isinstance(loader, ConfigLoaderImpl)


def apply_overrides(overrides: list[Override], cfg: DictConfig) -> None:
    """Set plain values on a composed configuration, as Hydra does last of all when it composes.

    For: composing the trials of a study. Without it: each trial is composed from files, some 0.2 s each.

    Args:
        overrides: of plain values, not of options of a group.
        cfg: changed in place.

    Raises:
        ConfigCompositionException: if a key does not exist, or exists where it is added.
    """
    ConfigLoaderImpl._apply_overrides_to_config(overrides, cfg)


def names_a_group(loader: ConfigLoader, key: str) -> bool:
    """Return True if a key is a config group of a loader for which `is_files_loader` holds.

    For: telling choices of options from plain values. Without it: as `apply_overrides`.
    """
    assert isinstance(loader, ConfigLoaderImpl)
    return loader.repository.group_exists(key)


def is_basic_launcher(launcher: Launcher) -> bool:
    """Return True if a launcher is the one that Hydra takes where none is chosen.

    For: running a study's trials in the sweeper's own process. Without it: they are driven in batches of one.
    """
    return isinstance(launcher, BasicLauncher)


def points_of_grid(overrides: list[Override], most: int) -> list[list[str]]:
    """Return the overrides of the first jobs that Hydra's own sweeper would run.

    For: judging a grid before its first job. Without it: what is wrong with a job is said when its turn comes.

    Args:
        overrides: of the multirun.
        most: jobs, > 0.
    """
    return list(BasicSweeper.split_arguments(overrides, most)[0])


def unshuffled(override: Override) -> Override:
    """Return a sweep in the order that it was written in.

    For: shuffling by the study's seed. Without it: the order of a grid differs whenever a study is resumed.

    Args:
        override: whose value is a choice or a range.
    """
    sweep = override.value()
    assert isinstance(sweep, ChoiceSweep | RangeSweep)
    return replace(override, _value=replace(sweep, shuffle=False))


def returned_or_raised(returned: JobReturn) -> Any:
    """Return the value of a job, or the exception that ended it, without raising it.

    For: judging how a trial ended. Without it: `JobReturn.return_value` prints a line, and raises.
    """
    return returned._return_value


def note_failure(returned: JobReturn, error: Exception) -> None:
    """Store an exception and its traceback in a job's return, so that another process can read both.

    For: running a job without Hydra's copies. Without it: a launcher's caller cannot tell where a task failed.

    Args:
        returned: changed in place; it has failed from now on.
        error: which is being handled.
    """
    returned.return_value, returned.status = error, JobStatus.FAILED
    returned._remote_traceback = utils._serialize_traceback(error.__traceback__)
    returned._remote_exception_chain = utils._serialize_exception_chain(error)
    returned._remote_exception_group = utils._serialize_exception_group(error)
    utils._log_job_error_to_file()


def flush_loggers() -> None:
    """Write out what the handlers of all loggers hold, as Hydra does at the end of a job.

    For: a job's log that is whole when its folder is read. Without it: its last lines may come later.
    """
    utils._flush_loggers()


def start_ray(init: Mapping[str, Any]) -> None:
    """Connect to a Ray cluster, or start one, as hydra-ray-launcher does.

    For: `hydra/launcher=cluster`, which shares its settings. Without it: the settings mean other things in both.

    Args:
        init: the arguments of `ray.init`.
    """
    from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray as start

    settings: Any = init  # it takes any mapping, and says DictConfig
    start(settings)
