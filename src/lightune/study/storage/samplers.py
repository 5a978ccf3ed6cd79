"""Where the next point comes from: a fresh sampler for every question, seeded by the study and the trial's number.

A sampler that is made anew for each trial has no state that a restart could lose: the sequence of points after a
crash is that of the uninterrupted study.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from hydra.utils import instantiate
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler, BruteForceSampler, CmaEsSampler, RandomSampler
from optuna.trial import Trial

from lightune.errors import ConfigError, Problem
from lightune.private_api import optuna as private_api
from lightune.study.definition.settings import Settings
from lightune.study.space.space import GRID, Point, Space, interval_in_grid, lists_points

__all__ = ["goes_by_sequence", "is_grid", "learns", "make_pruner", "make_sampler", "require_able", "suggest"]

_SAMPLERS = ("optuna.samplers.*", "hydra_plugins.hydra_optuna_sweeper.*")
_PRUNERS = ("optuna.pruners.*",)
_BLIND = ("RandomSampler", "QMCSampler")
"""Classes of samplers that take no notice of results."""
_SEQUENCES = ("QMCSampler",)
"""Classes of samplers that count how often they were asked, and propose the next member of one sequence."""
_PLAIN = str | int | float | None


def is_grid(settings: Settings, space: Space) -> bool:
    """Return True if the study is the grid of its space.

    Raises:
        ConfigError: if a grid is asked for where an interval is swept.
    """
    if lists_points(settings.sampler) and space.is_discrete:
        return True
    if settings.sampler is not None and lists_points(settings.sampler):
        raise ConfigError([Problem("search", interval_in_grid(space))])
    return False


def require_able(settings: Settings, space: Space) -> None:
    """Refuse, before anything is written, a sampler or pruner that cannot be made, or not for these objectives.

    Raises:
        ConfigError: naming it.
    """
    is_grid(settings, space)
    make_pruner(settings)
    sampler, vocabulary = make_sampler(settings, 0), settings.vocabulary
    if isinstance(sampler, BruteForceSampler):  # calls `study.stop`, which Optuna allows within its own loop only
        rule = f"BruteForceSampler would end the study by itself; choose {vocabulary.grid}, which lists all points"
        raise ConfigError([Problem("hydra.sweeper.sampler", rule)])
    if isinstance(sampler, CmaEsSampler) and len(settings.objectives) > 1:
        rule = f"CmaEsSampler seeks one objective, got {len(settings.objectives)}"
        raise ConfigError(
            [Problem("hydra.sweeper.sampler", f"{rule}; choose {vocabulary.genetic} or {vocabulary.tpe}")]
        )


def learns(settings: Settings, space: Space) -> bool:
    """Return True if a study's points depend on the results before them."""
    return not is_grid(settings, space) and _class_name(settings.sampler or {}) not in _BLIND


def make_sampler(settings: Settings, number: int) -> BaseSampler:
    """Make the sampler for one trial.

    Args:
        settings: name the sampler and the study's seed.
        number: the trial's number.

    Raises:
        ConfigError: if the sampler cannot be made.
    """
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    node = dict(settings.sampler or {"_target_": "optuna.samplers.TPESampler"})
    if node.get("_target_") == GRID:
        return RandomSampler(seed)
    if _class_name(node) in _SEQUENCES:
        seed = settings.seed  # one sequence, of which each trial takes the next member
    if _class_name(node) == "TPESampler":
        node["constant_liar"] = True  # trials that run at the same time should not be alike
    sampler = _make("hydra.sweeper.sampler", {**node, "seed": seed}, _SAMPLERS)
    if not isinstance(sampler, BaseSampler):
        rule = f"must name a sampler of Optuna, got {node.get('_target_')}"
        raise ConfigError([Problem("hydra.sweeper.sampler", rule)])
    return sampler


def goes_by_sequence(sampler: BaseSampler) -> bool:
    """Return True if a sampler goes by how often it was asked, and by nothing else."""
    return any(each.__name__ in _SEQUENCES for each in type(sampler).__mro__)


def _class_name(node: Mapping[str, Any]) -> str:
    return str(node.get("_target_")).rpartition(".")[2]


def make_pruner(settings: Settings) -> BasePruner:
    """Make the study's pruner.

    Raises:
        ConfigError: if it cannot be made.
    """
    if settings.pruner is None:
        return NopPruner()
    key = settings.vocabulary.key("pruner")
    pruner = _make(key, settings.pruner, _PRUNERS)
    if not isinstance(pruner, BasePruner):
        rule = "must name a pruner of Optuna"
        raise ConfigError([Problem(key, f"{rule}, got {settings.pruner['_target_']}")])
    return pruner


def _make(key: str, node: dict[str, Any], trusted: tuple[str, ...]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            plain = {name: value for name, value in node.items() if isinstance(value, _PLAIN)}
            if len(plain) < len(node):  # it holds parts of its own, which are made anew as well
                return instantiate(node, _execution_whitelist_=trusted)
            return _factory(str(node["_target_"]), trusted)(**{k: v for k, v in plain.items() if k != "_target_"})
    except Exception as error:
        lines = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        reason = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
        raise ConfigError([Problem(key, f"{node.get('_target_')} cannot be made: {reason}")]) from error


@cache
def _factory(target: str, trusted: tuple[str, ...]) -> Callable[..., Any]:
    factory: Callable[..., Any] = instantiate(
        {"_target_": target, "_partial_": True}, _execution_whitelist_=trusted
    )
    return factory


def suggest(study: Study, trial: Trial, space: Space) -> Point:
    """Choose the point of a trial, or finish choosing it where an earlier process was cut off in the middle.

    Args:
        study: its sampler is the one for this trial.
        trial: a running one.
        space: what to choose from.
    """
    begun = trial.params
    passed: dict[str, BaseDistribution] = {}
    point: Point = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        for dimension in space.dimensions:
            if not space.is_active(dimension, point):
                continue
            distribution = dimension.distribution()
            if dimension.key in begun:
                passed[dimension.key] = distribution
            elif passed:
                _draw_again(study, trial, passed)
                passed = {}
            value = private_api.suggest(trial, dimension.key, distribution)
            point[dimension.key] = dimension.text(value)
    return point


def _draw_again(study: Study, trial: Trial, distributions: Mapping[str, BaseDistribution]) -> None:
    """Draw what a trial has already, so that what follows is drawn as it would have been."""
    if goes_by_sequence(study.sampler):
        return  # it would go on to the next member of its sequence
    frozen = private_api.storage_of(study).get_trial(private_api.trial_id_of(study, trial.number))
    for key, distribution in distributions.items():
        if private_api.is_given(trial, key) or distribution.single() or key in trial.relative_params:
            continue  # it was not drawn by itself
        study.sampler.sample_independent(study, frozen, key, distribution)
