"""Hydra's syntax for sweeps, read by Hydra's own parser into dimensions.

This module must not import Optuna, torch or Lightning.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import ceil, ulp
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
    Transformer,
)
from hydra.errors import HydraException

from lightune.config.override_text import parse_override, value_of_text, value_text
from lightune.errors import ConfigError, Problem
from lightune.private_api.hydra import unshuffled
from lightune.study.space.dimensions import Choice, Dimension, Interval, Steps

__all__ = ["dimension_from_override", "dimension_from_yaml"]

_EMPTY = "has no value to try"
_LOG = "log"


def dimension_from_override(override: Override, *, seed: int = 0) -> Dimension:
    """Turn a sweep of Hydra's syntax into a dimension.

    Args:
        override: one that sweeps.
        seed: decides the order that `shuffle` gives.

    Raises:
        ConfigError: if it cannot be searched.
    """
    key = override.get_key_element()
    try:
        if override.is_delete():
            raise ValueError(
                f"removes something, which all trials have or none: type ~{override.key_or_group} alone"
            )
        _require_tags_with_a_meaning(override)
        if override.is_interval_sweep():
            sweep = override.value()
            assert isinstance(sweep, IntervalSweep)
            assert sweep.start is not None
            assert sweep.end is not None
            return Interval(key, sweep.start, sweep.end, log=_LOG in sweep.tags)
        sweep = override.value()
        if isinstance(sweep, RangeSweep) and not sweep.transformers and not sweep.shuffle:
            return _steps(key, sweep)
        return Choice(key, _texts(override, seed))
    except (ValueError, HydraException) as error:
        raise ConfigError([Problem(key, f"{error} (in {override.input_line})")]) from error


def _require_tags_with_a_meaning(override: Override) -> None:
    tags: set[str] = getattr(override.value(), "tags", set())
    if override.is_interval_sweep():
        if unknown := sorted(tags - {_LOG}):
            raise ValueError(f"has the tag {unknown[0]!r}, which means nothing; the one that does is {_LOG!r}")
    elif _LOG in tags:
        raise ValueError(f"has the tag {_LOG!r}, which belongs to an interval")


def _texts(override: Override, seed: int) -> tuple[str, ...]:
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        texts = list(map(_text, unshuffled(override).sweep_iterator()))
        random.Random(seed).shuffle(texts)
    else:
        texts = list(map(_text, override.sweep_iterator()))
    if not texts:
        raise ValueError(_EMPTY)
    return tuple(dict.fromkeys(texts))


def _text(element: Any) -> str:
    """Write one value as Hydra does, but with the quotes that its functions take off where a text needs them."""
    text = str(Transformer.str(element))
    return value_text(element) if type(element) is str and not _says(text, element) else text


def _says(text: str, value: str) -> bool:
    try:
        return bool(value_of_text(text) == value)
    except HydraException:
        return False


def _steps(key: str, sweep: RangeSweep) -> Dimension:
    if sweep.step == 0:
        raise ValueError("a range needs a step other than 0")
    values = sweep.range()
    if isinstance(values, range):
        if not values:
            raise ValueError(_EMPTY)
        return Steps(key, values, abs(values.step))
    start, stop, step = values.start, values.stop, values.step
    assert isinstance(start, Decimal)
    assert isinstance(stop, Decimal)
    assert isinstance(step, Decimal)
    count = ceil((Fraction(stop) - Fraction(start)) / Fraction(step))
    if count <= 0:
        raise ValueError(_EMPTY)
    numbers = tuple(values)
    width = float(abs(step))
    if Decimal(str(width)) != abs(step) or (count > 1 and width < max(map(ulp, numbers))):
        return Choice(key, tuple(map(str, numbers)))
    return Steps(key, numbers, width)


def dimension_from_yaml(key: str, node: Any, loader: ConfigLoader | None = None, *, seed: int = 0) -> Dimension:
    """Turn an entry of `search.space` into a dimension.

    Args:
        key: the key to sweep.
        node: a text in Hydra's syntax, a list of values, or a mapping with `space` and `when`.
        loader: finds the options that `glob` stands for.
        seed: decides the order that `shuffle` gives.

    Raises:
        ConfigError: if it cannot be searched.
    """
    if isinstance(node, dict):
        return _conditional(key, node, loader, seed)
    if isinstance(node, list):
        if not node:
            raise ConfigError([Problem(key, f"{_EMPTY}, got []")])
        return Choice(key, tuple(dict.fromkeys(map(value_text, node))))
    if not isinstance(node, str):
        return Choice(key, (value_text(node),))
    try:
        override = parse_override(f"{key}={node}", loader)
    except HydraException as error:
        rule = f"is not in Hydra's syntax ({str(error).splitlines()[0]})"
        raise ConfigError(
            [Problem(key, f"{rule}, got {node!r}; write it as after key= on the command line")]
        ) from error
    if not override.is_sweep_override():
        rule = "must be a choice, a range or an interval"
        raise ConfigError([Problem(key, f"{rule}, got {node!r}; one value belongs outside of the space")])
    return dimension_from_override(override, seed=seed)


def _conditional(key: str, node: Mapping[str, Any], loader: ConfigLoader | None, seed: int) -> Dimension:
    if "space" not in node or node.keys() - {"space", "when"}:
        keys = ", ".join(map(str, node))
        raise ConfigError([Problem(key, f"a mapping has the keys space and when, got {keys}")])
    dimension = dimension_from_yaml(key, node["space"], loader, seed=seed)
    when = node.get("when") or {}
    if not isinstance(when, dict):
        raise ConfigError([Problem(key, f"when must be a mapping of key: value, got {when!r}")])
    accepted = {str(k): tuple(v) if isinstance(v, list) else (v,) for k, v in when.items()}
    return replace(dimension, when=accepted)
