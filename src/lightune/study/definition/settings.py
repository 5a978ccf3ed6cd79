"""How a study searches: the values of `hydra.sweeper`, checked.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.schema import SEARCH
from lightune.config.static.annotations import show
from lightune.config.validate import search_problems
from lightune.errors import ConfigError, Problem
from lightune.study.messages import LIGHTUNE, Vocabulary, vocabulary_of

__all__ = ["Objective", "Settings"]


@dataclass(frozen=True)
class Objective:
    """What a study optimizes.

    Args:
        metric: its name; None for the value that the task returns, whatever it is.
        mode: `min` or `max`.
        required: whether a trial whose task returns no number has failed; a plain grid of any application is
            no search, and its tasks may return what they like.
    """

    metric: str | None
    mode: Literal["min", "max"]
    required: bool = True

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """The mode as Optuna calls it."""
        return "maximize" if self.mode == "max" else "minimize"


@dataclass(frozen=True)
class Settings:
    """How a study searches, runs and fails.

    Args:
        objectives: at least one.
        sampler: the node of `hydra/sweeper/sampler`; None for the grid of a discrete space, TPE otherwise.
        pruner: the node of an Optuna pruner, or None.
        study: a name for the study, or None for one made of its overrides.
        n_trials: trials in all, > 0; None for the whole grid.
        n_jobs: trials at the same time, > 0; None for one per GPU, or one.
        timeout: seconds after which no trial is started, > 0.
        storage: an Optuna URL; None for a journal in the study's folder.
        max_failures: failed trials that are tolerated: a number, or (a float in [0, 1]) a share of n_trials.
        retries: further starts of a trial that failed, >= 0.
        changed_code: what is done where the study goes on with code that was edited since it began.
        report: whether a page of the study is kept up to date, and its end told in figures.
        keep_checkpoints: which trials keep them: `all`, `none`, or `best:K`.
        seed: the sampler's seed, in [0, 2**32).
        space: key → sweep, beside those of the command line.
        enqueue: points to try first.
        gpus_per_job: GPUs of one trial, > 0.
        jobs_per_gpu: trials that share a GPU, > 0.
        fused_width: most trials that train as one program, >= 2; None for as many as memory holds.
        max_batch_size: how the returned jobs are grouped, and the most that a blocking launcher is given.
        vocabulary: what these values are called in messages.
    """

    objectives: tuple[Objective, ...]
    sampler: Any = None
    pruner: Any = None
    study: str | None = None
    n_trials: int | None = None
    n_jobs: int | None = None
    timeout: float | None = None
    storage: str | None = None
    max_failures: int | float = 0.5
    retries: int = 0
    changed_code: Literal["warn", "refuse"] = "warn"
    report: bool = True
    keep_checkpoints: str = "all"
    seed: int = 0
    space: Mapping[str, Any] = field(default_factory=dict)
    enqueue: tuple[Mapping[str, Any], ...] = ()
    gpus_per_job: int = 1
    jobs_per_gpu: int = 1
    fused_width: int | None = None
    max_batch_size: int | None = None
    vocabulary: Vocabulary = LIGHTUNE

    @classmethod
    def from_config(cls, config: DictConfig) -> "Settings":
        """Read the node `hydra.sweeper` of a composed configuration.

        Args:
            config: with Hydra's own node.

        Raises:
            ConfigError: with all that is wrong.
        """
        node, vocabulary = config.hydra.sweeper, vocabulary_of(config)
        if unresolved := list(_unresolved(node, vocabulary)):
            raise ConfigError(unresolved)
        raw = {key: getattr(node, key) for key in SEARCH}
        problems = list(search_problems(raw, vocabulary.node))
        space, enqueue = _plain(node.space), _plain(node.enqueue)
        space = (
            {**(_plain(node.get("params")) or {}), **(space or {})} if isinstance(space, dict | None) else space
        )
        if not isinstance(space, dict):
            problems.append(
                Problem(vocabulary.key("space"), f"must be a mapping of key: sweep, got {show(space)}")
            )
        if not isinstance(enqueue, list | None) or not all(isinstance(point, dict) for point in enqueue or ()):
            rule = "must be a list of mappings of key: value"
            problems.append(Problem(vocabulary.key("enqueue"), f"{rule}, got {show(enqueue)}"))
        objectives = list(_objectives(node, vocabulary, problems))
        pruner = _plain(node.pruner, resolve=True)
        if pruner is not None and not (isinstance(pruner, dict) and isinstance(pruner.get("_target_"), str)):
            rule = "must be a mapping whose _target_ is one of optuna.pruners"
            problems.append(Problem(vocabulary.key("pruner"), f"{rule}, got {show(pruner)}"))
        if pruner is not None and len(objectives) > 1:
            rule = "cannot stand beside several objectives, of which none says when to stop"
            problems.append(Problem(vocabulary.key("pruner"), f"{rule}; set {vocabulary.key('pruner')}=null"))
        if problems:
            raise ConfigError(problems)
        return cls(
            objectives=tuple(objectives),
            sampler=_plain(node.sampler, resolve=True),
            pruner=pruner,
            space={str(key): value for key, value in space.items()},
            enqueue=tuple(enqueue or ()),
            max_batch_size=node.max_batch_size,
            vocabulary=vocabulary,
            **raw,
        )


def _unresolved(node: Any, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Yield each setting that refers to what does not exist."""
    for key in (*SEARCH, "metric", "mode", "space", "enqueue", "objectives", "pruner", "sampler"):
        try:
            _plain(getattr(node, key), resolve=key in ("objectives", "pruner", "sampler"))
        except (OmegaConfBaseException, ValueError) as error:
            in_monitor = key in ("metric", "mode") and vocabulary is LIGHTUNE
            name = f"monitor.{key}" if in_monitor else vocabulary.key(key)
            yield Problem(name, f"cannot be resolved: {str(error).splitlines()[0]}")


def _objectives(node: Any, vocabulary: Vocabulary, problems: list[Problem]) -> Iterator[Objective]:
    several = _plain(node.objectives, resolve=True)
    if several is None:
        several = [{"metric": node.metric, "mode": node.mode}]
    if not isinstance(several, list) or not several:
        rule = "must be a list of mappings with metric and mode"
        problems.append(Problem(vocabulary.key("objectives"), f"{rule}, got {show(several)}"))
        return
    for index, pair in enumerate(several):
        if not isinstance(pair, dict) or pair.keys() != {"metric", "mode"} or pair["mode"] not in ("min", "max"):
            rule = "must have a metric and a mode of min or max"
            problems.append(Problem(vocabulary.key(f"objectives[{index}]"), f"{rule}, got {show(pair)}"))
        else:
            yield Objective(pair["metric"], pair["mode"])


def _plain(node: Any, *, resolve: bool = False) -> Any:
    return OmegaConf.to_container(node, resolve=resolve) if OmegaConf.is_config(node) else node
