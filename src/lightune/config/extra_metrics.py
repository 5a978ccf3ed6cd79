"""Judge metrics below `metrics.extra`, each a class and its arguments, by their text.

This module must not import torch or Lightning.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from lightune.config import schema
from lightune.config.static.annotations import did_you_mean, show
from lightune.config.static.signatures import Target, TargetNotFoundError, UnreadableTargetError, describe
from lightune.config.values import BROKEN
from lightune.errors import Problem

__all__ = ["direction", "find_problems", "named", "without_direction"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEY = "metrics.extra"


def named(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return name → node of the extra metrics of a configuration that can be such.

    Args:
        tree: the configuration as plain values.
    """
    metrics = tree.get("metrics")
    extra = metrics.get("extra") if isinstance(metrics, dict) else None
    return (
        {name: node for name, node in extra.items() if isinstance(node, dict)} if isinstance(extra, dict) else {}
    )


def find_problems(tree: Mapping[str, Any], targets: Mapping[str, Target]) -> Iterator[Problem]:
    """Yield what is wrong with the names of metrics: of the extra ones, and of those measured in training."""
    metrics, described = tree.get("metrics"), targets.get("metrics")
    if not isinstance(metrics, dict) or described is None or "extra" not in described.parameters:
        return
    own, extra = described.constants.get("names", ()), metrics.get("extra")
    for name, node in extra.items() if isinstance(extra, dict) else ():
        key = f"{_KEY}.{name}"
        if name in (*own, "loss"):
            yield Problem(key, f"is a metric of {described.name} already; choose another name")
        elif not _NAME.fullmatch(name):
            yield Problem(key, "must have a name of letters, digits and _ that begins with a letter")
        if isinstance(node, dict):
            if not {"_target_", "_execution_whitelist_"} & node.keys():
                yield Problem(f"{key}._target_", "is missing; name the class of the metric")
            elif node.get("_partial_"):
                yield Problem(f"{key}._partial_", "cannot be set: a metric of each stage is made of it")
        elif node is not BROKEN:
            yield Problem(key, f"must be a mapping with _target_, got {show(node)}; remove it with ~{key}")
    known, chosen = [*own, *named(tree)], metrics.get("train")
    for index, name in enumerate(chosen if isinstance(chosen, list) else ()):
        if isinstance(name, str) and name not in known:
            hint = did_you_mean(name, known)
            rule = f"must be one of {', '.join(known)}, got {show(name)}"
            yield Problem(f"metrics.train.{index}", f"{rule}{';' + hint if hint else ''}")


def direction(target: Target | None) -> Literal["min", "max"] | None:
    """Return the mode by which a metric is followed; None if its class does not say which is better.

    Args:
        target: of the metric; None if it could not be read.
    """
    higher = None if target is None else target.constants.get("higher_is_better")
    if target is not None and higher is None and "task" in target.parameters:
        with suppress(TargetNotFoundError, UnreadableTargetError):  # what the class makes says it
            of_task = describe(f"torchmetrics.classification.Multiclass{target.name}")
            higher = of_task.constants.get("higher_is_better")
    return None if higher is None else "max" if higher else "min"


def without_direction(metric: str) -> str:
    """Return why a metric cannot be followed whose class does not say whether more or less of it is better."""
    return (
        f"{metric} is measured and cannot be followed: its class does not say whether higher is better; "
        f"a subclass of your own that sets higher_is_better can be ({schema.GUIDE})"
    )
