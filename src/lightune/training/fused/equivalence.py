"""Whether a fused group computes what its members compute alone: two steps of both, on copies, are compared.

`vmap` refuses what it cannot stack; this finds what it takes but would compute otherwise: a buffer that a network
replaces instead of changing, a count kept in Python, random numbers of a network's own.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightune.engine.fused.loop import Computation, FusedLoop, LoopHooks
from lightune.engine.fused.member import Member
from lightune.engine.fused.numbers import NUMBERS
from lightune.losses import CrossEntropy
from lightune.tasks import SupervisedTask

_MOST_ALIKE = 3  # members of one variant that are tried
_STEPS = 2  # the second sees what the first left
_RTOL = 1e-6  # of double precision numbers that went through a few layers
Variant = tuple[bool | str, ...]
"""What of a member only a trial can tell the effect of; see `variants_of`."""
Verified = list[frozenset[Variant]]
"""Sets of variants that were found equivalent in one group."""
_OWN = ("_parameters", "_buffers", "_modules", "training")


def check_equivalence(
    members: Sequence[Member],
    verified: Verified | None = None,
    *,
    compare: Callable[[Sequence[Member]], str | None] | None = None,
) -> str | None:
    """Return why members cannot be fused, in one line; None if they can.

    Members of one structure compute by one program, whatever their numbers, except for what `variants_of` returns.
    So a few members of each variant are tried, in one group, and the same variants not twice.

    Args:
        members: as `FusedLoop` takes them; they are left as they are.
        verified: what was found equivalent before; it is added to.
        compare: trains some of them fused and alone, and returns how they differ; by default two steps.
    """
    verified = [] if verified is None else verified
    if any(not module.training for member in members for module in member.task.model.modules()):
        return "a part of the network stays in evaluation form while it is trained"
    if len({tuple(each.shape for each in member.task.model.state_dict().values()) for member in members}) > 1:
        return "their networks differ in size"
    variants: dict[Variant, list[Member]] = {}
    for member in members:
        variants.setdefault(_variant(member), []).append(member)
    if is_verified(frozenset(variants), verified):
        return None
    alike = _MOST_ALIKE if len(variants) == 1 else 1
    chosen = [member for same in variants.values() for member in _spread(same, alike)]
    reason = (compare or compare_steps)(chosen)
    if reason is None:
        verified.append(frozenset(variants))
    return reason


def variants_of(members: Sequence[Member]) -> frozenset[Variant]:
    """Return what only a trial can tell the effect of.

    That is which of a member's numbers are zero, which leaves something out of what is computed, and all that its
    network and its loss keep in Python.
    """
    return frozenset(map(_variant, members))


def is_verified(variants: frozenset[Variant], verified: Verified) -> bool:
    """Return True if all of these variants were found equivalent in one group."""
    return any(variants <= group for group in verified)


def _variant(member: Member) -> Variant:
    task, strengths = member.task, member.task.regularization
    optimizer = task.make_optimizer()
    group = optimizer.param_groups[0]
    dropouts = [module.p for module in task.model.modules() if isinstance(module, nn.Dropout)]
    numbers = [group[name] for name in NUMBERS[type(optimizer).__name__]]
    shares = (strengths.l1, strengths.l2, member.gradient_clip, member.label_smoothing, *dropouts)
    return (
        *map(bool, shares),
        *(all(value) if isinstance(value, tuple | list) else bool(value) for value in numbers),
        task.schedules_steps,
        *_kept_in_python(task),
    )


def _kept_in_python(task: SupervisedTask) -> Iterator[str]:
    for part in (task.model, task.loss):
        known = {f"{name}.p" for name, module in part.named_modules() if type(module) is nn.Dropout}
        known |= {".label_smoothing"} if type(part) is CrossEntropy else set()
        for name, value in _memory(part).items():
            if name not in known:
                yield f"{name}={value!r}"


def _spread(members: list[Member], most: int) -> list[Member]:
    """Return members from all over a list, the first and the last among them."""
    if len(members) <= most:
        return members
    return [members[round(place * (len(members) - 1) / max(1, most - 1))] for place in range(most)]


def compare_steps(members: Sequence[Member]) -> str | None:
    """Train copies of members for two steps, fused and alone; return how they differ, None if they do not."""
    with torch.random.fork_rng(devices=[]):
        alone = [_double(member) for member in members]
        memories = [_memory(member.task) for member in alone]
        expected = [_steps_alone(member) for member in alone]
        if any(_memory(member.task) != memory for member, memory in zip(alone, memories, strict=True)):
            return "the network or its loss keeps something in a Python attribute from step to step"
        fused = [_double(member) for member in members]
        try:
            losses = _steps_fused(fused)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason, and they are trained alone
            return f"cannot be stacked: {_first_line(error)}"
    for index, (one, two) in enumerate(zip(alone, fused, strict=True)):
        if not _close(losses[:, index], expected[index]):
            return "a fused step gives another loss than a step alone"
        ours, theirs = two.task.model.state_dict(), one.task.model.state_dict()
        if different := [name for name, value in theirs.items() if not _close(ours[name], value)]:
            return f"a fused step leaves another {different[0]} than a step alone"
    return None


def _double(member: Member) -> Member:
    task = copy.deepcopy(member.task).double()
    return Member(task, member.data, member.seed, member.gradient_clip)


def _steps_alone(member: Member) -> Tensor:
    """Train a few steps as the task does by itself; return losses, the last one in evaluation form."""
    task, loader = member.task, member.data.train_dataloader()
    optimizer = task.make_optimizer()
    steps = loader.batches
    scheduler = task.make_scheduler(optimizer, total_steps=steps)  # one that rises begins near zero
    torch.manual_seed(member.seed)
    losses: list[Tensor] = []
    task.train()
    for _, (inputs, targets) in zip(range(_STEPS), loader, strict=False):
        x, target = _doubled(inputs), _doubled(targets)
        loss = task.loss(task(x), task.wanted(target))
        penalty = task.regularization.penalty(task.model)
        optimizer.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        if member.gradient_clip is not None:
            nn.utils.clip_grad_norm_(task.parameters(), member.gradient_clip)
        optimizer.step()
        if task.schedules_steps:
            scheduler.step()
        losses.append(loss.detach())
    task.eval()
    with torch.no_grad():
        losses.append(task.loss(task(x), task.wanted(target)))
    member.data.release()
    return torch.stack(losses)


def _steps_fused(members: Sequence[Member]) -> Tensor:
    """Train the same steps as one group; return losses (steps + 1, M), the last ones in evaluation form."""
    losses: list[Tensor] = []
    hooks = LoopHooks(on_step=lambda _, step: losses.append(step.clone()))
    loop = FusedLoop(members, max_epochs=1, hooks=hooks, computation=Computation(dtype=torch.float64))
    loop.train_epoch(most_batches=_STEPS)
    for _, batch in zip(range(_STEPS), loop.data.train(), strict=False):
        last = batch
    losses.append(loop.step.losses(last))
    return torch.stack(losses)


def _memory(module: nn.Module) -> dict[str, Any]:
    """Return what a module keeps outside its parameters and buffers, as far as it can be compared.

    A list of its own parameters, as a recurrent layer of torch has one, is nothing else that it keeps.
    """
    memory: dict[str, Any] = {}
    for name, part in module.named_modules():
        if "meter" not in name:
            kept = {key: _comparable(value) for key, value in vars(part).items() if key not in _OWN}
            memory |= {f"{name}.{key}": value for key, value in kept.items()}
    return memory


def _comparable(value: Any) -> Any:
    if isinstance(value, nn.Parameter):
        return "a parameter"
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _comparable(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else type(value).__name__


def _close(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and torch.allclose(
        one.double(), two.double(), rtol=_RTOL, atol=1e-9, equal_nan=True
    )


def _doubled(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}{'…' if len(text) > 160 else ''}"
