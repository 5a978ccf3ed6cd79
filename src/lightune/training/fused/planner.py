"""Which of many configurations train together, and why the others do not.

Configurations train together if they differ in numbers only: those of the optimizer, of the schedule and of the
regularization, label smoothing, the seed, the division of the data.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from omegaconf import DictConfig, OmegaConf

from lightune.config.build import Parts, build
from lightune.data import InMemoryData
from lightune.engine.fused.member import Member
from lightune.engine.fused.program import Recorded
from lightune.errors import ConfigError
from lightune.tasks import SupervisedTask
from lightune.training.fused.compatibility import check_supported, structure
from lightune.training.fused.cost import check_cost, most_members
from lightune.training.fused.equivalence import Verified, check_equivalence

__all__ = ["Group", "Plan", "StructureCache", "build_member", "chunks", "makes_default_batches", "plan"]


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
    known: "StructureCache"


@dataclass
class StructureCache:
    """What a process has found out of one structure: it serves every group of that structure.

    Args:
        like: what one of its configurations was built of.
        divided: seed, validation and augmentation → what a configuration with them was built of, while used.
        verified: sets of variants of members that were found equivalent in one group.
        recorded: programs that were recorded.
    """

    like: Parts | None = None
    divided: WeakValueDictionary[str, Parts] = field(default_factory=WeakValueDictionary)
    verified: Verified = field(default_factory=list)
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
    known: dict[str, StructureCache] | None = None,
) -> Plan:
    """Divide configurations into groups that train together and those that train alone.

    Nothing is fused on trust: a few of each group take two steps fused and alone, on copies, and must agree.

    Args:
        configs: composed and validated.
        device: where groups will be trained, `cpu` or `cuda`.
        fused_width: most members of a group, >= 2; by default as many as memory holds.
        known: structure → what was found out of it before; it is added to.
    """
    known = {} if known is None else known
    made = Plan()
    alike: dict[str, list[int]] = {}
    for index, cfg in enumerate(configs):
        tree = OmegaConf.to_container(cfg, resolve=True)
        assert isinstance(tree, dict)
        if reason := check_supported({str(key): value for key, value in tree.items()}):
            made.alone[index] = reason
        else:
            alike.setdefault(structure(tree), []).append(index)
    for alike_in, indices in alike.items():
        if len(indices) < 2:
            made.alone.update(dict.fromkeys(indices, "no other in its process differs from it in numbers only"))
            continue
        own = known.setdefault(alike_in, StructureCache())
        _plan_alike(made, indices, configs, own, device=device, fused_width=fused_width)
    return made


def _plan_alike(
    made: Plan,
    indices: list[int],
    configs: Sequence[DictConfig],
    known: StructureCache,
    *,
    device: str,
    fused_width: int | None,
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
        if loses := check_cost(own[0], device):
            made.alone.update(dict.fromkeys(same, loses))
            continue
        for chunk in chunks(same, min(fused_width or len(same), most_members(own, device))):
            members = [built[index][0] for index in chunk]
            if len(chunk) < 2:
                made.alone.update(dict.fromkeys(chunk, "no room for another beside it"))
            elif reason := check_equivalence(members, known.verified):
                made.alone.update(dict.fromkeys(chunk, reason))
            else:
                made.groups.append(Group(chunk, members, [built[index][1] for index in chunk], known))


def build_member(cfg: DictConfig, known: StructureCache) -> tuple[Member, Parts] | str:
    """Build a configuration as a run of its own would; equal divisions of the data are held once.

    Args:
        cfg: composed and validated.
        known: what is known of its structure; it is added to.

    Returns:
        The training and what it would be built of alone, or why it cannot be fused, in one line.
    """
    own = OmegaConf.masked_copy(cfg, ["validation", "augmentation"])
    division = json.dumps([cfg.seed, OmegaConf.to_container(own, resolve=True)], default=str)
    try:
        parts = build(cfg, like=known.like, division=known.divided.get(division))
    except ConfigError as error:
        return f"is refused: {error.problems[0].message}"
    task, data = parts.task, parts.data
    assert isinstance(task, SupervisedTask)
    if not (isinstance(data, InMemoryData) and makes_default_batches(data)):
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


def makes_default_batches(data: InMemoryData) -> bool:
    """Return True if batches are made as `InMemoryData` makes them."""
    names = ("train_dataloader", "val_dataloader", "divide", "on_before_batch_transfer", "on_after_batch_transfer")
    return all(getattr(type(data), name) is getattr(InMemoryData, name) for name in names)


def chunks(indices: list[int], width: int) -> list[list[int]]:
    """Divide indices into as few chunks as the width allows, of nearly equal length."""
    count = -(-len(indices) // width)
    size = -(-len(indices) // count)
    return [indices[start : start + size] for start in range(0, len(indices), size)]
