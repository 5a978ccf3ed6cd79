"""Trials with different seeds are judged on the same rows: a study that sweeps `seed` divides by one.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightune.config.override_text import bare_key
from lightune.study.messages import LIGHTUNE
from lightune.study.space.assignments import keys_of, mappings_of
from lightune.study.space.dimensions import Dimension, typed_key
from lightune.study.space.keys import is_group
from lightune.study.space.space import Space

__all__ = ["follows_seed", "with_one_division"]

_SEED = "seed"
_GROUP = "validation"
_KEY = f"{_GROUP}.split_seed"
_REPEAT = (
    "seed is searched: a swept seed is a repeat of its point, no other point; repeats=N gives the mean over N"
)


def with_one_division(space: Space, config: DictConfig, loader: ConfigLoader, *, sampled: bool) -> Space:
    """Return a space whose trials have one `validation.split_seed`, where `seed` is swept and it is null.

    It is the seed that the configuration has without the sweep.

    Args:
        space: of a study.
        config: of the multirun, as Hydra composed it.
        loader: composes trials.
        sampled: whether points are suggested by a sampler, and not listed.
    """
    if space.vocabulary is not LIGHTUNE or not any(_SEED in keys_of(each) for each in space.dimensions):
        return space
    if sampled:
        space = replace(space, remarks=(*space.remarks, _REPEAT))
    seed = OmegaConf.select(config, _SEED)
    if not isinstance(seed, int) or any(_KEY in keys_of(dimension) for dimension in space.dimensions):
        return space
    wanted = {follows_seed(each) for each in _configurations(space, config, loader)}
    if wanted == {True}:
        return replace(space, entries=(*space.entries, f"{_KEY}={seed}"))
    if True in wanted:
        rule = "seed is swept, and each trial divides the data by its own: some have no validation.split_seed=null"
        return replace(space, remarks=(*space.remarks, f"{rule}; give all trials the same kind of division"))
    return space


def follows_seed(config: DictConfig) -> bool:
    """Tell whether a trial divides by its seed only because nothing else is said.

    Args:
        config: of the trial.
    """
    node: Any = config.get(_GROUP)
    if not isinstance(node, DictConfig) or "split_seed" not in node:  # of somebody's own, or as it was before
        return False
    return node.get("split_seed") is None and node.get("resplit") is not True


def _configurations(space: Space, config: DictConfig, loader: ConfigLoader) -> Iterator[DictConfig]:
    """Yield a configuration for each value of what may bring a way to judge of its own."""
    first = space.first_point()
    points = [
        {**first, dimension.key: text}
        for dimension in space.dimensions
        if dimension.key in first and _may_bring_another(dimension, loader)
        for text in dimension.edges()
    ]
    for point in points:
        try:
            yield loader.load_sweep_config(config, space.overrides(point))
        except (HydraException, OmegaConfBaseException, ValueError):
            continue  # whoever composes the trial says so
    if not points:
        yield config


def _may_bring_another(dimension: Dimension, loader: ConfigLoader) -> bool:
    is_inside = bare_key(dimension.key).partition(".")[0] == _GROUP
    return is_inside or is_group(typed_key(dimension), loader) or bool(mappings_of(dimension))
