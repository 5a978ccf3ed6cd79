"""The fused loop: many trainings that differ in numbers only, as one stacked program on one device."""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightune.engine.fused import member_state
from lightune.engine.fused.data import StackedData
from lightune.engine.fused.member import Ending, EpochEnd, Member
from lightune.engine.fused.member_state import MemberState
from lightune.engine.fused.program import Recorded
from lightune.engine.fused.schedules import Schedule, Schedules
from lightune.engine.fused.step import Computation, StackedStep

__all__ = ["Computation", "Ending", "EpochEnd", "FusedLoop", "LoopHooks", "Member", "MemberState"]


def _do_nothing(*_: Any) -> None:
    pass


def _go_on(_: EpochEnd) -> bool:
    return False


@dataclass(frozen=True)
class LoopHooks:
    """What is called while a group is trained.

    Args:
        on_round_start: called with the members that are trained in the round that begins.
        on_step: called after each step with the members of all rows, ended ones included, and their losses (M,).
        on_epoch_end: called with the end of each member's epoch; returns whether that member stops.
        on_member_end: called with each member that has ended, after its schedule has moved.
    """

    on_round_start: Callable[[Sequence[Member]], object] = _do_nothing
    on_step: Callable[[Sequence[Member], Tensor], object] = _do_nothing
    on_epoch_end: Callable[[EpochEnd], bool] = _go_on
    on_member_end: Callable[[Member], object] = _do_nothing


class FusedLoop:
    """Train M members as one program; each is trained as it would be alone.

    Members may be at different epochs: one that has ended leaves a vacant row, which another can take between two
    rounds, and a round trains every member for the epoch that is its next.

    Args:
        members: of one structure, batch size, loss and kind of optimizer, with as many batches an epoch.
        max_epochs: epochs each member trains unless it ends before, > 0.
        hooks: what is called meanwhile.
        computation: dtype, device and width of blocks.
        recorded: programs that were recorded for members of this structure before; it is added to.

    Attributes:
        members: those that have a row, ended ones included.

    Raises:
        ValueError: if the members cannot be stacked.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        max_epochs: int,
        hooks: LoopHooks | None = None,
        computation: Computation | None = None,
        recorded: Recorded | None = None,
    ) -> None:
        computation = computation or Computation()
        self.members = list(members)
        self.max_epochs = max_epochs
        self._hooks = hooks or LoopHooks()
        dtype = computation.dtype
        self.data = StackedData([each.data for each in members], dtype=dtype, device=computation.device)
        for member in members:
            member.load_weights(dtype)
        schedules = Schedules([self._make_schedule(member) for member in members])
        self.step = StackedStep(members, self.data, schedules, computation, recorded)
        self._resume(range(len(members)))

    @property
    def width(self) -> int:
        """How many members are computed, ended ones that fill up a width included."""
        return len(self.members)

    @property
    def active(self) -> list[Member]:
        """The members that are still trained."""
        return [member for member in self.members if member.is_active]

    @property
    def vacant(self) -> int:
        """How many rows others can take."""
        return self.width - len(self.active)

    def together(self, member: Member) -> int:
        """Return how many members are computed at once with a member, itself included, > 0.

        The last digits of what is measured may depend on it.
        """
        return self.step.together(self._row_of(member))

    def round(self) -> None:
        """Train every member for its next epoch."""
        self._narrow()
        active = self.active
        self._hooks.on_round_start(active)
        clock = [time.perf_counter()]
        measures = self.train_epoch()
        clock.append(time.perf_counter())
        measures |= self.validate_epoch()
        clock.append(time.perf_counter())
        for member in active:
            member.train_seconds += (clock[1] - clock[0]) / len(active)
            member.validate_seconds += (clock[2] - clock[1]) / len(active)
        self._end_epoch(measures)
        for member in active:
            if member.is_active and member.epochs == self.max_epochs:
                member.ending = "completed"
            if member.ending is not None:
                self.end(member, member.ending)

    def train_epoch(self, *, most_batches: int | None = None) -> dict[str, list[float]]:
        """Train every row for its epoch, or its first batches; return `train/metric` → one value a row."""
        self.data.epochs = [member.epochs for member in self.members]
        losses, before = [], [member.steps for member in self.members]
        for batch in itertools.islice(self.data.train(), most_batches):
            losses.append(self.step.train(batch))
            self._hooks.on_step(self.members, losses[-1])
            for member in self.members:
                member.steps += member.is_active
        self._find_bad_losses(torch.stack(losses), before)
        return self.step.read("train")

    def validate_epoch(self) -> dict[str, list[float]]:
        """Measure every row on its validation part; return `val/metric` → one value a row."""
        for batch in self.data.val():
            self.step.validate(batch)
        return self.step.read("val")

    def end(self, member: Member, ending: Ending) -> None:
        """End a member: its row is vacant from now on."""
        member.ending = ending
        self.step.stack.detach(self._row_of(member))
        self._hooks.on_member_end(member)

    def accepts(self, member: Member) -> bool:
        """Return True if a member of the same structure can take a row: its numbers may need another program."""
        return self.step.program.accepts(member.task.model, member.label_smoothing) and self.data.accepts(
            member.data
        )

    def add_members(self, members: Sequence[Member]) -> None:
        """Put members into vacant rows, each from scratch or from its checkpoint.

        Args:
            members: at most as many as are vacant, which `takes` has approved.

        Raises:
            ValueError: if one cannot be stacked on the others.
        """
        vacant = [row for row, member in enumerate(self.members) if not member.is_active]
        taken = dict(zip(vacant, members, strict=False))
        self.data.add_members({row: member.data for row, member in taken.items()})
        for row, member in taken.items():
            member.load_weights(self.step.stack.flat.dtype)
            self.members[row] = member
        self.step.add_members({row: self._make_schedule(member) for row, member in taken.items()}, self.members)
        self._resume(taken)

    def snapshot(self, member: Member) -> MemberState:
        """Return copies of all that a member's training resumes from."""
        return member_state.snapshot(self.step, self._row_of(member))

    def fill_optimizer(self, member: Member, state: MemberState | None = None) -> None:
        """Put a member's optimizer state, by default that of now, into its own torch optimizer."""
        member_state.fill_optimizer(self.step, self._row_of(member), member, state)

    def validated(self, member: Member) -> tuple[Tensor, Tensor] | None:
        """Return what a member's last validation predicted (N, …) and its targets (N, …)."""
        return self.step.validated(self._row_of(member))

    def schedule_of(self, member: Member) -> Schedule:
        """Return a member's schedule, with its own torch optimizer and scheduler."""
        return self.step.schedules[self._row_of(member)]

    def generator_of(self, member: Member) -> torch.Generator:
        """Return the generator of a member's dropout masks."""
        return self.step.program.generator(self._row_of(member))

    def _row_of(self, member: Member) -> int:
        return next(row for row, other in enumerate(self.members) if other is member)

    def _make_schedule(self, member: Member) -> Schedule:
        return Schedule(member.task, total_steps=self.data.steps_per_epoch * self.max_epochs)

    def _resume(self, rows: Iterable[int]) -> None:
        """Resume the members of some rows that have a checkpoint."""
        for row in rows:
            if self.members[row].checkpoint is not None:
                member_state.resume(self.step, row, self.members[row])

    def _find_bad_losses(self, losses: Tensor, before: Sequence[int]) -> None:
        """Note of each member the first loss that is not finite.

        Args:
            losses: (steps, M) of an epoch.
            before: steps that each member had taken before it.
        """
        bad = ~losses.isfinite()
        for row in bad.any(dim=0).nonzero().flatten().tolist():
            member = self.members[row]
            if member.is_active:
                step = int(bad[:, row].nonzero()[0])
                member.bad_loss = (before[row] + step + 1, float(losses[step, row]))

    def _end_epoch(self, measures: dict[str, list[float]]) -> None:
        of_each = [{name: values[row] for name, values in measures.items()} for row in range(self.width)]
        finite = self.step.finite_rows()
        for row, member in enumerate(self.members):
            if member.is_active:
                member.bad_weights = not finite[row]
                member.ending = self._judge(member, of_each[row])
        self.step.end_epoch(of_each)

    def _judge(self, member: Member, measures: dict[str, float]) -> Ending | None:
        """Count a member's epoch; return how the member ends with it, or None."""
        if member.bad_loss is not None:
            member.steps = member.bad_loss[0]
            return "diverged"
        if member.bad_weights:
            return "diverged"
        epoch, member.epochs = member.epochs, member.epochs + 1
        return "stopped" if self._hooks.on_epoch_end(EpochEnd(member, epoch, measures)) else None

    def _narrow(self) -> None:
        """Drop ended members once half of the width is vacant: few widths, so that few programs are recorded."""
        width = self.width
        while width > 1 and len(self.active) <= width // 2:
            width //= 2
        if width == self.width:
            return
        active = [row for row, member in enumerate(self.members) if member.is_active]
        ended = [row for row, member in enumerate(self.members) if not member.is_active]
        rows = sorted(active + ended[: width - len(active)])
        self.members = [self.members[row] for row in rows]
        self.data.keep(rows)
        self.step.keep(rows, self.members)
