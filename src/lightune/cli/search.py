"""`lightune.search`: a study from Python, the same that `lightune-train -m` makes of the same words.

This module must not import torch or Lightning, nor Optuna at its top.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import HydraContext
from hydra.utils import execution_whitelist
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lightune.cli.judgement import is_study
from lightune.cli.preflight import Preflight
from lightune.config.composing import UNREADABLE, Composing, composing
from lightune.config.override_text import value_text
from lightune.config.trust import whitelist
from lightune.config.words import Words, words_of
from lightune.errors import ConfigError, InterruptedStudy, Problem
from lightune.job.handover import handover
from lightune.job.hydra_node import judge
from lightune.job.task import task
from lightune.paths import typed_as
from lightune.private_api.hydra import judged_callbacks, start_others
from lightune.report.loading import Study, load_study
from lightune.study.definition.identity import overrides_of

__all__ = ["run_study", "search"]

_PROGRAM = "lightune-train"
_NAME = "train"


def search(
    cfg: DictConfig, space: Mapping[str, str | Sequence[Any]] | None = None, *, n_trials: int | None = None
) -> Study:
    """Search as `lightune-train -m` does with the same words; the same call goes on with the study.

    What the study says meanwhile is printed. Its trials run in processes of their own, unless the configuration
    was composed with another `hydra/launcher`.

    Args:
        cfg: as `compose` returns it, with `search=...`, say; it may have been changed since.
        space: key → what is tried: the text that stands after `key=` on the command line, as
            `tag(log,interval(1e-4,1e-1))`, or a list of values; beside what `search.space` holds.
        n_trials: how many trials there are to be in all, > 0; as `search.n_trials` says by default.

    Returns:
        The study, as `load_study` reads it.

    Raises:
        ConfigError: with all that is wrong; nothing was started.
        StorageError: if its trials cannot be recorded.
        StudyFailedError: if it came to nothing; its folder says why.
        InterruptedStudy: if it was stopped; the same call goes on with it.
    """
    if not isinstance(cfg, DictConfig):
        given = type(cfg).__name__
        raise ConfigError([Problem("cfg", f"must be a configuration: search(compose([...]), ...), got a {given}")])
    began = words_of(cfg)
    lines = [*began.overrides, *_sweeps(space or {})]
    if n_trials is not None:
        lines.append(f"search.n_trials={value_text(n_trials)}")
    return load_study(run_study(Words(tuple(lines), began.config_dir)))


def run_study(words: Words) -> Path:
    """Run the study that words mean, or go on with it; return its folder.

    Args:
        words: as after `lightune-train -m`.

    Raises:
        ConfigError: with all that is wrong; nothing was started. The others of `search`, too.
    """
    with (
        composing(words.config_dir) as files,
        typed_as(_PROGRAM),
        execution_whitelist(list(whitelist())),
        _said_at_once(words),
    ):
        return _run(files, words)


def _sweeps(space: Mapping[str, str | Sequence[Any]]) -> Iterator[str]:
    """Yield the words that sweep.

    Raises:
        ConfigError: with each value that is no sweep.
    """
    if not isinstance(space, Mapping):
        raise ConfigError([Problem("space", f"must be a mapping of key: sweep, got {type(space).__name__}")])
    problems = []
    for key, sweep in space.items():
        if isinstance(sweep, str):
            yield f"{key}={sweep}"
        elif isinstance(sweep, Sequence) and sweep:
            texts = ",".join(map(value_text, sweep))
            yield f"{key}={texts}" if len(sweep) > 1 else f"{key}=choice({texts})"
        else:
            rule = "must be a text such as 'interval(0,1)', or a list of values"
            problems.append(Problem(str(key), f"{rule}, got {sweep!r}; conditions stand in search.space, in YAML"))
    if problems:
        raise ConfigError(problems)


@contextmanager
def _said_at_once(words: Words) -> Iterator[None]:
    """Raise all that is wrong with the words where Hydra says the first of it."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, *UNREADABLE) as error:
        from lightune.cli.refusal import problems_of

        flags = ["--config-dir", str(words.config_dir)] if words.config_dir is not None else []
        problems = problems_of(error, ["-m", *flags, *words.overrides])
        if not problems:
            raise
        raise ConfigError(problems) from None


def _run(files: Composing, words: Words) -> Path:
    """Run the study that words mean; return its folder."""
    from lightune.report.study_report import StudyReport
    from lightune.study.sweep import sweep

    config = files.compose_whole(words.overrides, multirun=True)
    active: Any = HydraConfig.instance()
    before = active.cfg
    active.set_config(config)
    handover.clear()
    try:
        callbacks = judged_callbacks(judge, Preflight, config)
        if not is_study(config):
            rule = "must be lightune's own, whose studies go on and can be read"
            raise ConfigError([Problem("hydra/sweeper", f"{rule}; leave hydra/sweeper= away")])
        preflight = callbacks.callbacks[0]
        assert isinstance(preflight, Preflight)
        try:
            preflight.judge_multirun(config)
            start_others(callbacks, config, _NAME)
            context = HydraContext(
                config_loader=files.loader, callbacks=callbacks, execution_whitelist=list(whitelist())
            )
            folder = Path(str(config.hydra.sweep.dir)).absolute()
            try:
                sweep(
                    config,
                    hydra_context=context,
                    task_function=task,
                    arguments=overrides_of(config, "task"),
                    definition=preflight.take_definition(),
                    report=StudyReport,
                )
            except SystemExit as stop:  # how the end by a signal is told to a shell
                raise InterruptedStudy(folder, int(stop.code or 0)) from None
        finally:
            callbacks.on_multirun_end(config=config, config_name=_NAME)
    finally:
        active.cfg = before
    return folder
