"""What trials that train as one program may differ in, and what of a configuration the fused loop knows.

This is the one table of it: the planner asks it of whole configurations, the assignment of trials to workers of
single overrides. This module must not import torch, Lightning or Optuna.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any

from lightune.engine.fused.numbers import NUMBERS

__all__ = ["check_supported", "may_differ", "structure"]

_FREE_ROOTS = frozenset(
    (
        "name",
        "note",
        "tags",
        "seed",
        "output_root",
        "test",
        "logger",
        "callbacks",
        "scheduler",
        "validation",
        "augmentation",
    )
)
"""Root keys and groups that may differ as a whole."""

_OPTIMIZERS = {f"torch.optim.{name}": numbers for name, numbers in NUMBERS.items()}
"""Target of an optimizer → its numbers, which may differ."""

_FREE_OPTIMIZER_SWITCHES = ("foreach", "fused", "capturable")
"""How an optimizer computes, not what."""

_FREE_STRENGTHS = ("l1", "l2", "dropout", "gradient_clip", "label_smoothing")
"""Those of `regularization`."""

_BOUND_KEYS = frozenset(("validation.groups",))
"""Those below them that may not: a column of groups is no input."""

_FREE_KEYS = frozenset(
    (
        *(f"optimizer.{name}" for numbers in NUMBERS.values() for name in numbers),
        *(f"optimizer.{name}" for name in _FREE_OPTIMIZER_SWITCHES),
        *(f"regularization.{name}" for name in _FREE_STRENGTHS),
        "model.dropout",  # found by its layers; two steps tell if it is anything else
        "loss.label_smoothing",
    )
)

_GROWTHS = ("batch_growth", "regularization_growth")

_AVERAGES = ("ema", "swa")
_MIXING = ("mixup", "cutmix")

_CALLBACKS = (
    "pytorch_lightning.callbacks.EarlyStopping",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.LearningRateMonitor",
    "lightune.callbacks.BestAndLast",
)

# What a trainer may say, and with which values; None stands for any. The rest changes what a step or an epoch is.
_TRAINER: dict[str, tuple[Any, ...] | None] = {
    "_target_": ("pytorch_lightning.Trainer", "pytorch_lightning.trainer.trainer.Trainer"),
    "accelerator": ("auto", "cpu", "gpu", "cuda"),
    "devices": (1, "1", "auto"),
    "precision": ("auto", "32-true", "64-true", 32, 64, "32", "64"),
    "max_epochs": None,
    "num_sanity_val_steps": None,
    "log_every_n_steps": None,
    "steps_per_execution": None,
    "compile": ("none",),
    "lr_find": (False,),
    "batch_size_find": (False,),
    "portable": None,
    "deterministic": (False, None),
    "accumulate_grad_batches": (1,),
    "gradient_clip_algorithm": (None, "norm"),
    "check_val_every_n_epoch": (1,),
    "val_check_interval": (None, 1.0),
    "overfit_batches": (0, 0.0),
    "limit_train_batches": (None, 1.0),
    "limit_val_batches": (None, 1.0),
    "max_steps": (-1,),
    "min_epochs": (None,),
}


def may_differ(key: str) -> bool:
    """Return True if trials that train as one program may differ in a key.

    An override says nothing of the parts around it, so this is generous: a number that one optimizer has is free
    whichever optimizer is chosen.

    Args:
        key: of a configuration, e.g. `optimizer.lr`; a slash may stand for a dot in the name of a group.
    """
    return key in _FREE_KEYS or (key not in _BOUND_KEYS and key.replace("/", ".").partition(".")[0] in _FREE_ROOTS)


def structure(tree: Mapping[Any, Any]) -> str:
    """Return what configurations must share to train as one program, as a text to compare.

    Args:
        tree: a resolved configuration, as plain values.
    """
    rest = copy.deepcopy({key: value for key, value in tree.items() if key not in _FREE_ROOTS})
    for name in (*_OPTIMIZERS.get(rest["optimizer"].get("_target_"), ()), *_FREE_OPTIMIZER_SWITCHES):
        rest["optimizer"].pop(name, None)
    for name in _FREE_STRENGTHS:
        rest["regularization"].pop(name, None)
    rest["model"].pop("dropout", None)
    if rest["loss"].get("_target_") == "lightune.losses.CrossEntropy":
        rest["loss"].pop("label_smoothing", None)
    groups = tree["validation"].get("groups")
    return json.dumps([rest, groups], sort_keys=True, default=str)


def check_supported(tree: Mapping[str, Any]) -> str | None:
    """Return what of a configuration the fused loop does not know, in one line; None if it knows all.

    Args:
        tree: a resolved configuration, as plain values.
    """
    target = tree["task"].get("_target_")
    if target != "lightune.tasks.SupervisedTask":
        return f"task: {target} says itself what a step is"
    if tree["task"].get("decay", "all") != "all":
        return f"task.decay={tree['task']['decay']}: parameters of several groups have no fused form"
    target = tree["optimizer"].get("_target_")
    if target not in _OPTIMIZERS:
        return f"optimizer: {target} has no fused form; there are {', '.join(_OPTIMIZERS)}"
    if tree["optimizer"].get("differentiable"):
        return "optimizer.differentiable has no fused form"
    schedule = tree.get("schedule") or {}
    if changing := [name for name in _GROWTHS if schedule.get(name, 1) != 1]:
        return f"schedule.{changing[0]}: what changes from epoch to epoch has no fused form"
    if averages := [name for name in _AVERAGES if tree["regularization"].get(name) not in (None, 0)]:
        return f"regularization.{averages[0]}: an average of weights that is judged has no fused form"
    if mixing := [name for name in _MIXING if tree["regularization"].get(name)]:
        return f"regularization.{mixing[0]}: samples that are mixed with each other have no fused form"
    if tree["model"].get("views"):
        return f"model.views={tree['model']['views']}: features of augmented views have no fused form"
    for key, node in tree["callbacks"].items():
        if node is not None and node.get("_target_") not in _CALLBACKS:
            return f"callbacks.{key}: {node.get('_target_')} watches a trainer of its own"
    for key, value in tree["trainer"].items():
        if key not in _TRAINER:
            return f"trainer.{key} has no fused form"
        allowed = _TRAINER[key]
        same = (
            value == each and type(value) is type(each) for each in allowed or ()
        )  # 1 is a batch, 1.0 an epoch
        if allowed is not None and not any(same):
            return f"trainer.{key}={value} has no fused form"
    return None
