"""The state of one member at one moment: what a checkpoint of it is made of, and how a member resumes from one."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lightune.engine.fused.member import Member
from lightune.engine.fused.optimizer import State
from lightune.engine.fused.step import StackedStep
from lightune.optim import resume_scheduler

__all__ = ["MemberState", "fill_optimizer", "resume", "snapshot"]

_EPOCHS_APART = (
    1_000_003  # between the mask seeds of a resumed member's epochs: other members' seeds lie near its own
)


@dataclass(frozen=True)
class MemberState:
    """Copies of all that a member's training resumes from.

    Args:
        parameters: (1, P), as they lie in the stack.
        buffers: name → tensor, without the member dimension.
        optimizer: name → (1, P), and the number of steps.
        numbers: of its optimizer's parameter group.
        schedule: state of its learning-rate scheduler.
        random: state of the generator of its dropout masks.
        columns: divides the parameters by name: (1, P) → name → (1, …).
    """

    parameters: Tensor
    buffers: dict[str, Tensor]
    optimizer: State
    numbers: dict[str, Any]
    schedule: dict[str, Any]
    random: Tensor
    columns: Callable[[Tensor], dict[str, Tensor]] = field(repr=False)

    @property
    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers, as a network's `load_state_dict` takes them."""
        return {name: view[0] for name, view in self.columns(self.parameters).items()} | self.buffers


def snapshot(step: StackedStep, row: int) -> MemberState:
    """Return the state of the member in a row."""
    schedule = step.schedules[row]
    return MemberState(
        *step.stack.snapshot(row),
        step.optimizer.snapshot(row),
        {name: value for name, value in schedule.group.items() if name != "params"},
        copy.deepcopy(schedule.scheduler.state_dict()),
        step.program.generator(row).get_state(),
        step.stack.columns,
    )


def fill_optimizer(step: StackedStep, row: int, member: Member, state: MemberState | None = None) -> None:
    """Put the optimizer state of the member in a row into its own torch optimizer, as if that had trained it.

    Args:
        step: of the group.
        row: of the member.
        member: in that row.
        state: what is put there; by default all as it is now.
    """
    optimizer = step.schedules[row].optimizer
    parameters = dict(member.task.model.named_parameters())
    kept = step.optimizer.snapshot(row) if state is None else state.optimizer
    for name, own in step.optimizer.by_parameter(kept).items():
        optimizer.state[parameters[name]] = own


def resume(step: StackedStep, row: int, member: Member) -> None:
    """Resume the member in a row from its checkpoint, whose weights are in the stack; the checkpoint is dropped.

    Raises:
        RuntimeError: if the checkpoint's random state is not one of this machine's generators.
    """
    content, schedule = member.checkpoint, step.schedules[row]
    assert content is not None
    [optimizer], [scheduler] = content["optimizer_states"], content["lr_schedulers"]
    schedule.optimizer.load_state_dict(optimizer)
    resume_scheduler(schedule.scheduler, scheduler)
    member.epochs, member.steps = content["epoch"], content["global_step"]
    names: dict[Tensor, str] = {each: name for name, each in member.task.model.named_parameters()}
    state = {names[each]: dict(own) for each, own in schedule.optimizer.state.items() if own}
    schedule.optimizer.state.clear()
    step.optimizer.add_members(row, step.schedules.groups, state, member.steps)
    generator = step.program.generator(row)
    if generator.device.type == "cpu":
        generator.set_state(content["random_state"][0]["torch"])
    else:  # whose state checkpoints do not have: as random, but not the same
        generator.manual_seed(member.seed + _EPOCHS_APART * member.epochs)
    member.checkpoint = None
