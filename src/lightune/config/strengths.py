"""Judge the strengths of regularization by the parts that they work on.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator
from typing import Any

from lightune.config.static.signatures import Target
from lightune.errors import Problem

__all__ = ["find_problems"]

_SMOOTHING = "regularization.label_smoothing"


def find_problems(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    """Yield what cannot be strengthened so.

    Args:
        tree: the configuration as plain values.
        targets: the targets that could be read, by the dotted key they stand at.
    """
    if not isinstance(tree.get("regularization"), dict):
        return
    yield from _label_smoothing(tree, targets)


def _label_smoothing(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    target, loss = targets.get("loss"), tree.get("loss")
    if target is None or not isinstance(loss, dict) or not _is_set(tree, "label_smoothing"):
        return
    if target.path.startswith("lightune.losses.") and "label_smoothing" not in target.parameters:
        rule = f"smooths the targets of cross-entropy, and {target.name} has none"
        yield Problem(_SMOOTHING, f"{rule}; choose loss=cross_entropy, or {_SMOOTHING}=0")
    elif loss.get("label_smoothing"):
        yield Problem(_SMOOTHING, "is the same as loss.label_smoothing, which is set, too; remove one")


def _is_set(tree: dict[str, Any], strength: str) -> bool:
    value = tree["regularization"].get(strength)
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
