"""Which of many configurations train together, and why the others do not.

Configurations train together if they differ in numbers only: those of the optimizer, of the schedule and of the
regularization, label smoothing, the seed, the division of the data.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from omegaconf import DictConfig, OmegaConf

from lightune.config.build import Parts, build
from lightune.data import InMemoryData
from lightune.engine.fused.loop import Member
from lightune.engine.fused.optimizer import NUMBERS
from lightune.engine.fused.program import Recorded
from lightune.errors import ConfigError
from lightune.study.executors.assignment import FREE_ROOT, STRENGTHS
from lightune.tasks import SupervisedTask
from lightune.training.fused.cost import most_members, why_not_worth
from lightune.training.fused.equivalence import Tried, why_not

__all__ = [
    "Group",
    "Known",
    "Plan",
    "build_member",
    "chunks",
    "plan",
    "serves_as_ours",
    "structure",
    "why_not_fusable",
]

_CALLBACKS = (
    "pytorch_lightning.callbacks.EarlyStopping",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.LearningRateMonitor",
    "lightune.callbacks.BestAndLast",
)
_OPTIMIZERS = {f"torch.optim.{kind.__name__}": names for kind, names in NUMBERS.items()}
_SWITCHES_OF_SPEED = ("foreach", "fused", "capturable")  # how an optimizer computes, not what
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


@dataclass(frozen=True)
class Group:
    """Configurations that train together.

    Args:
        indices: which of those given.
        members: their trainings, built and seeded as alone.
        parts: what each would be built of alone; members of one division of the data share it.
        known: what is known of their structure.
    """

    indices: list[int]
    members: list[Member]
    parts: list[Parts]
    known: "Known"


@dataclass
class Known:
    """What a process has found out of one structure: it serves every group of that structure.

    Args:
        like: what one of its configurations was built of.
        divided: seed and validation → what a configuration with these was built of, while it is in use.
        tried: sets of kinds of members that were tried together.
        recorded: programs that were written down.
    """

    like: Parts | None = None
    divided: WeakValueDictionary[str, Parts] = field(default_factory=WeakValueDictionary)
    tried: Tried = field(default_factory=list)
    recorded: Recorded = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What trains together, and what does not.

    Args:
        groups: the groups.
        alone: index → why that configuration is trained by itself, in one line.
    """

    groups: list[Group] = field(default_factory=list)
    alone: dict[int, str] = field(default_factory=dict)


def plan(
    configs: Sequence[DictConfig],
    *,
    device: str = "cpu",
    fused_width: int | None = None,
    force: bool = False,
    known: dict[str, Known] | None = None,
) -> Plan:
    """Divide configurations into groups that train together and those that train alone.

    Nothing is fused on trust: a few of each group take two steps fused and alone, on copies, and must agree.

    Args:
        configs: composed and validated.
        device: where groups will be trained, `cpu` or `cuda`.
        fused_width: most members of a group, >= 2; by default as many as memory holds.
        force: fuse even where that is slower.
        known: structure → what was found out of it before; it is added to.
    """
    known = {} if known is None else known
    made = Plan()
    alike: dict[str, list[int]] = {}
    for index, cfg in enumerate(configs):
        tree = OmegaConf.to_container(cfg, resolve=True)
        assert isinstance(tree, dict)
        if reason := why_not_fusable({str(key): value for key, value in tree.items()}):
            made.alone[index] = reason
        else:
            alike.setdefault(structure(tree), []).append(index)
    for alike_in, indices in alike.items():
        if len(indices) < 2:
            made.alone.update(dict.fromkeys(indices, "no other in its process differs from it in numbers only"))
            continue
        own = known.setdefault(alike_in, Known())
        _plan_alike(made, indices, configs, own, device=device, fused_width=fused_width, force=force)
    return made


def structure(tree: Mapping[Any, Any]) -> str:
    """Return what configurations must share to train together, as a text to compare.

    Args:
        tree: a resolved configuration, as plain values.
    """
    rest = copy.deepcopy({key: value for key, value in tree.items() if key not in FREE_ROOT})
    numbers = _OPTIMIZERS.get(rest["optimizer"].get("_target_"), ())
    for name in (*numbers, *_SWITCHES_OF_SPEED):
        rest["optimizer"].pop(name, None)
    for name in STRENGTHS:
        rest["regularization"].pop(name, None)
    rest["model"].pop("dropout", None)  # found by its layers; two steps tell if it is anything else
    if rest["loss"].get("_target_") == "lightune.losses.CrossEntropy":
        rest["loss"].pop("label_smoothing", None)
    return json.dumps(rest, sort_keys=True, default=str)


def why_not_fusable(tree: Mapping[str, Any]) -> str | None:
    """Say what of a configuration the fused loop does not know.

    Args:
        tree: a resolved configuration, as plain values.
    """
    target = tree["task"].get("_target_")
    if target != "lightune.tasks.SupervisedTask":
        return f"task: {target} says itself what a step is"
    target = tree["optimizer"].get("_target_")
    if target not in _OPTIMIZERS:
        return f"optimizer: {target} has no fused form; there are {', '.join(_OPTIMIZERS)}"
    if tree["optimizer"].get("differentiable"):
        return "optimizer.differentiable has no fused form"
    for key, node in tree["callbacks"].items():
        if node.get("_target_") not in _CALLBACKS:
            return f"callbacks.{key}: {node.get('_target_')} watches a trainer of its own"
    for key, value in tree["trainer"].items():
        if key not in _TRAINER:
            return f"trainer.{key} has no fused form"
        allowed = _TRAINER[key]
        if allowed is not None and value not in allowed:
            return f"trainer.{key}={value} has no fused form"
    return None


def _plan_alike(
    made: Plan,
    indices: list[int],
    configs: Sequence[DictConfig],
    known: Known,
    *,
    device: str,
    fused_width: int | None,
    force: bool,
) -> None:
    """Build configurations of one structure, sort them by the sizes of their parts, and try them."""
    built: dict[int, tuple[Member, Parts]] = {}
    for index in indices:
        outcome = build_member(configs[index], known)
        if isinstance(outcome, str):
            made.alone[index] = outcome
        else:
            built[index] = outcome
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, (member, _) in built.items():
        by_size.setdefault(tuple(member.data.sizes[part] for part in ("train", "val")), []).append(index)
    for same in by_size.values():
        if len(same) < 2:
            made.alone.update(dict.fromkeys(same, "no other in its process has parts of the same sizes"))
            continue
        own = [built[index][0] for index in same]
        if not force and (loses := why_not_worth(own[0], device)):
            made.alone.update(dict.fromkeys(same, loses))
            continue
        for chunk in chunks(same, min(fused_width or len(same), most_members(own, device))):
            together = [built[index][0] for index in chunk]
            if len(chunk) < 2:
                made.alone.update(dict.fromkeys(chunk, "no room for another beside it"))
            elif reason := why_not(together, known.tried):
                made.alone.update(dict.fromkeys(chunk, reason))
            else:
                made.groups.append(Group(chunk, together, [built[index][1] for index in chunk], known))


def build_member(cfg: DictConfig, known: Known) -> tuple[Member, Parts] | str:
    """Build a configuration as a run of its own would; equal divisions of the data are held once.

    Args:
        cfg: composed and validated.
        known: what is known of its structure; it is added to.

    Returns:
        The training and what it would be built of alone, or why it cannot be fused, in one line.
    """
    division = json.dumps([cfg.seed, OmegaConf.to_container(cfg.validation, resolve=True)], default=str)
    try:
        parts = build(cfg, like=known.like, division=known.divided.get(division))
    except ConfigError as error:
        return f"is refused: {error.problems[0].message}"
    task, data = parts.task, parts.data
    assert isinstance(task, SupervisedTask)
    if not (isinstance(data, InMemoryData) and serves_as_ours(data)):
        return f"data: {type(data).__name__} makes batches of its own"
    if data.is_streamed:
        return "data: they are streamed, which each run does for itself"
    known.like = parts
    known.divided[division] = parts
    if len(parts.plans) > 1:
        return f"consists of {len(parts.plans)} fits"
    if task.loss.state_dict():
        return "loss: has a state of its own"
    return Member(task, data, cfg.seed, cfg.regularization.get("gradient_clip")), parts


def serves_as_ours(data: InMemoryData) -> bool:
    """Tell whether batches are made as `InMemoryData` makes them."""
    names = ("train_dataloader", "val_dataloader", "divide", "on_before_batch_transfer", "on_after_batch_transfer")
    return all(getattr(type(data), name) is getattr(InMemoryData, name) for name in names)


def chunks(indices: list[int], width: int) -> list[list[int]]:
    """Divide indices into as few chunks as the width allows, of nearly equal length."""
    count = -(-len(indices) // width)
    size = -(-len(indices) // count)
    return [indices[start : start + size] for start in range(0, len(indices), size)]
