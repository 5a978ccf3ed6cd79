"""Judge the strengths of regularization by the parts that they work on.

This module must not import torch or Lightning.
"""

from collections.abc import Iterator
from typing import Any

from lightune.config.static.signatures import Target
from lightune.errors import Problem

__all__ = ["find_problems"]

OUR_TASK = "lightune.tasks.supervised.SupervisedTask"
_AVERAGING = ("StochasticWeightAveraging", "WeightAveraging", "EMAWeightAveraging")
_SMOOTHING = "regularization.label_smoothing"


def find_problems(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    """Yield what cannot be strengthened so.

    Args:
        tree: the configuration as plain values.
        targets: the targets that could be read, by the dotted key they stand at.
    """
    if not isinstance(tree.get("regularization"), dict):
        return
    yield from _mixing(tree, targets)
    yield from _averages(tree, targets)
    if (task := targets.get("task")) is not None and task.path == OUR_TASK:
        yield from _label_smoothing(tree, targets)


def _mixing(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    data, node = targets.get("data"), tree.get("data")
    kind = None if data is None else data.constants.get("kind")
    if data is None or kind is None or not isinstance(node, dict):
        return
    for name in (each for each in ("mixup", "cutmix") if _is_set(tree, each)):
        key = f"regularization.{name}"
        if kind == "text":
            yield Problem(key, f"{data.name} is numbers of tokens, which have no mixtures; choose {key}=0")
        elif name == "cutmix" and kind == "table":
            rule = f"puts boxes of images into others, and {data.name} is a table"
            yield Problem(key, f"{rule}, whose columns have no order; choose {key}=0, or regularization=mixup")
        elif node.get("categories") == "embedding":
            rule = "numbers of categories have no mixtures"
            yield Problem(key, f"{rule}; choose data.categories=onehot, or {key}=0")


def _averages(tree: dict[str, Any], targets: dict[str, Target]) -> Iterator[Problem]:
    node, trainer = tree["regularization"], tree.get("trainer")
    used = [name for name in ("ema", "swa") if node.get(name) is not None and (name == "swa" or node[name])]
    if not used or not isinstance(trainer, dict):
        return
    key = f"regularization.{used[0]}"
    if used[1:]:
        rule = "is one average of the weights and regularization.swa another, and one of them is judged"
        yield Problem(key, f"{rule}; choose regularization.ema=0, or regularization.swa=null")
    elif others := [path for path, target in targets.items() if target.name in _AVERAGING]:
        yield Problem(key, f"averages weights, and so does {others[0]}; remove one")
    elif any(each in str(trainer.get("strategy")) for each in ("fsdp", "deepspeed")):
        rule = f"averages whole weights, and trainer.strategy={trainer['strategy']} divides them"
        yield Problem(key, f"{rule}; choose trainer=ddp")
    epochs = trainer.get("max_epochs")
    if "swa" in used and not (isinstance(epochs, int) and epochs > 0):
        rule = f"is a share of trainer.max_epochs, which is {epochs}"
        yield Problem("regularization.swa", f"{rule}; set it, or choose regularization=ema")


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
