"""What `trainer.lr_find` and `trainer.batch_size_find` set, where they cannot be, and what is not swept.

This module must not import torch or Lightning.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lightune.config.static.signatures import Target
from lightune.errors import Problem

__all__ = ["FINDERS", "asked_for", "find_problems", "swept_problems"]

FINDERS = {"lr_find": "optimizer.lr", "batch_size_find": "data.batch_size"}
"""Key of the trainer → the key whose value it finds."""


def asked_for(trainer: Any) -> list[str]:
    """Return the finders that a trainer's node asks for; runs of earlier versions have none."""
    return [name for name in FINDERS if isinstance(trainer, Mapping) and trainer.get(name)]


def find_problems(tree: Mapping[str, Any], targets: Mapping[str, Target]) -> Iterator[Problem]:
    """Yield why something that is to be found has no place to be.

    Args:
        tree: a configuration as plain values.
        targets: the targets that could be read, by the dotted key they stand at.
    """
    trainer, optimizer, data, schedule = (tree.get(key) for key in ("trainer", "optimizer", "data", "schedule"))
    asked = asked_for(trainer)
    if "lr_find" in asked and isinstance(optimizer, dict):
        target = targets.get("optimizer")
        if target is not None and "lr" not in optimizer and "lr" not in target.parameters:
            yield Problem(
                "trainer.lr_find", f"finds optimizer.lr, which {target.name} does not take; set it to false"
            )
    if "batch_size_find" not in asked:
        return
    if isinstance(data, dict) and data.get("batch_size") == "full":
        rule = "finds data.batch_size, and full is one batch of all samples"
        yield Problem("trainer.batch_size_find", f"{rule}; choose a number to begin with, or set it to false")
    growth = schedule.get("batch_growth", 1) if isinstance(schedule, dict) else 1
    if growth != 1:
        rule = f"finds one size, and schedule.batch_growth={growth} changes it"
        yield Problem("trainer.batch_size_find", f"{rule}; choose schedule.batch_growth=1, or set it to false")


def swept_problems(trainer: Any, swept: Collection[str]) -> Iterator[Problem]:
    """Yield why a key is not to be swept: each trial would find a value of its own, or comes too late.

    Args:
        trainer: the trainer's node of a trial.
        swept: dotted keys, without `+`.
    """
    if "trainer.portable" in swept:
        rule = "is decided for a process before torch is imported, and cannot be swept"
        yield Problem("trainer.portable", f"{rule}; type it for the whole study")
    for name in asked_for(trainer):
        if (key := FINDERS[name]) in swept:
            rule = f"is found by trainer.{name}=true in each trial, whatever is swept"
            yield Problem(key, f"{rule}; remove it, or set trainer.{name}=false")
