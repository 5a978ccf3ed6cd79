"""The fused loop: many trainings that differ in numbers only, as one stacked program on one device."""

import copy
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from lightune.callbacks.best import Mode
from lightune.data import InMemoryData
from lightune.data.scaling import Affine
from lightune.engine.fused.blocks import divide, most_at_once
from lightune.engine.fused.data import RaggedBatch, StackedBatch, StackedData, alike
from lightune.engine.fused.dropout import DropoutMasks
from lightune.engine.fused.optimizer import StackedOptimizer
from lightune.engine.fused.program import Program, Recorded
from lightune.engine.fused.ragged_metrics import STAGES, meter_of
from lightune.engine.fused.schedules import Schedule, Schedules
from lightune.engine.fused.stack import Stack
from lightune.losses import CrossEntropy
from lightune.tasks import SupervisedTask

__all__ = ["Ending", "EpochEnd", "FusedLoop", "Held", "Member"]

Ending = Literal["completed", "stopped", "diverged"]

_EPOCHS_APART = 1_000_003  # seeds of a member's masks where it goes on; those of other members lie near its own


@dataclass(eq=False)
class Member:
    """One training of a group, and what came of it.

    Args:
        task: with fresh weights; its network is trained in place.
        data: divided; members of the same data may share the object.
        seed: of the dropout masks; the order of batches is the data's own.
        gradient_clip: largest norm of its gradient, > 0; None leaves it free.
        checkpoint: of the end of an epoch, where it goes on; it is let go of when it has been taken up.

    Attributes:
        ending: how it ended; None while it is trained.
        train_seconds: its share, the group's time over the number of members that were trained.
        validate_seconds: likewise.
        bad_loss: the step, from 1, at which its loss was first not finite, and that loss.
        bad_weights: whether its weights were not finite at the end of an epoch.
    """

    task: SupervisedTask
    data: InMemoryData
    seed: int
    gradient_clip: float | None = None
    checkpoint: Mapping[str, Any] | None = None
    ending: Ending | None = field(default=None, init=False)
    epochs: int = field(default=0, init=False)
    steps: int = field(default=0, init=False)
    best_value: float | None = field(default=None, init=False)
    best_epoch: int | None = field(default=None, init=False)
    best_measures: dict[str, float] = field(default_factory=dict, init=False)
    best_state: dict[str, Tensor] = field(default_factory=dict, init=False)
    train_seconds: float = field(default=0.0, init=False)
    validate_seconds: float = field(default=0.0, init=False)
    bad_loss: tuple[int, float] | None = field(default=None, init=False)
    bad_weights: bool = field(default=False, init=False)


@dataclass(frozen=True)
class Held:
    """All that a member's training goes on from, as it was at one moment.

    Args:
        parameters: (1, P), as they lie in the stack.
        buffers: name → tensor.
        optimizer: name → (1, P), and the number of steps.
        numbers: of its optimizer's parameter group.
        schedule: state of its scheduler.
        random: state of the generator of its dropout masks.
    """

    parameters: Tensor
    buffers: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    numbers: dict[str, Any]
    schedule: dict[str, Any]
    random: Tensor


@dataclass(frozen=True)
class _Block:
    """Rows that are computed at once, and views of their parameters and buffers: name → (rows, …)."""

    rows: range
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]

    def column(self, of_all: Tensor, like: Tensor) -> Tensor:
        """Return one number a member (M,) for the rows, to be multiplied with their values: (rows, …)."""
        return of_all[self.rows.start : self.rows.stop].view(-1, *[1] * (like.ndim - 1))


class _Kept(Protocol):
    def keep(self, rows: list[int]) -> None: ...


@dataclass(frozen=True)
class EpochEnd:
    """What a member is told at the end of an epoch.

    Args:
        member: whose epoch it was.
        epoch: its number, from 0.
        measures: `stage/metric` → value.
        lr: the learning rate that the epoch began with.
        is_best: whether the monitored metric is better than ever.
    """

    member: Member
    epoch: int
    measures: dict[str, float]
    lr: float
    is_best: bool


class FusedLoop:
    """Train M members together; each is trained as it would be alone.

    Members may be at different epochs: one that has ended leaves a place, which another can take between two
    rounds, and a round trains every member for the epoch that is its next.

    Args:
        members: of one structure, batch size, loss and kind of optimizer, with as many batches an epoch.
        max_epochs: epochs each member trains unless it ends before, > 0.
        monitor: name of the metric that judges epochs, e.g. `val/accuracy`.
        mode: whether lower (`min`) or higher (`max`) is better.
        on_epoch_end: is told of each member's epoch; it returns whether that member shall end.
        on_round_start: is told of the members that are trained in the round that begins.
        on_member_end: is told of each member that has ended, when its schedule has moved.
        dtype: of the computation.
        device: where it happens.
        keeps_best: whether members keep the state of their best epoch.
        recorded: programs that were written down for members of this structure before.

    Raises:
        ValueError: if the members cannot be stacked.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        max_epochs: int,
        monitor: str,
        mode: Mode,
        on_epoch_end: Callable[[EpochEnd], bool] = lambda end: False,
        on_round_start: Callable[[Sequence[Member]], object] = lambda members: None,
        on_member_end: Callable[[Member], object] = lambda member: None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        keeps_best: bool = True,
        recorded: Recorded | None = None,
    ) -> None:
        self.members = list(members)
        self._keeps_best = keeps_best
        self.max_epochs, self.monitor, self.mode = max_epochs, monitor, mode
        self._on_epoch_end, self._on_round_start = on_epoch_end, on_round_start
        self._on_member_end = on_member_end
        self._on_step: Callable[[Sequence[Member], Tensor], None] | None = None
        self._rows = list(members)
        self.data = StackedData([member.data for member in members], dtype=dtype, device=device)
        for member in members:
            _load_weights(member, dtype)
        models = [member.task.model for member in members]
        template = max(models, key=lambda model: sum(type(m) is torch.nn.Dropout for m in model.modules()))
        masks = DropoutMasks(template, models, [m.seed for m in members], device=device, dtype=dtype)
        self.stack = Stack(models, dtype=dtype, device=device)
        smoothing = self._label_smoothing()
        self.program = Program(masks, members[0].task.loss, label_smoothing=smoothing, recorded=recorded)
        self.schedules = Schedules([self._schedule_of(member) for member in members])
        kind = type(self.schedules[0].optimizer)
        self.optimizer = StackedOptimizer(kind, self.schedules.groups, self.stack.flat, self.stack.columns)
        metrics = members[0].task.metrics
        self._meters = [meter_of(metrics, stage, self.data.sizes(stage)) for stage in STAGES]
        first = next(iter(self.data.train()))
        batch = first.parts[0][1] if isinstance(first, RaggedBatch) else first
        self._most_at_once = most_at_once(models[0], batch.x[0])
        self._columns()
        for row, member in enumerate(members):
            if member.checkpoint is not None:
                self._take_up(row, member)

    @property
    def width(self) -> int:
        """How many members are computed, ended ones that fill up a width included."""
        return len(self._rows)

    @property
    def active(self) -> list[Member]:
        """The members that are still trained."""
        return [member for member in self.members if member.ending is None]

    @property
    def vacant(self) -> int:
        """How many places others can take."""
        return self.width - len(self.active)

    def fit(self) -> None:
        """Train until every member has ended."""
        while self.active:
            self.round()

    def round(self) -> None:
        """Train every member for its next epoch."""
        self._compact()
        active = self.active
        self._on_round_start(active)
        rates = [self.schedules[row].lr for row in range(self.width)]
        clock = [time.perf_counter()]
        self.data.epochs = [member.epochs for member in self._rows]
        train = self.train_rows()
        clock.append(time.perf_counter())
        val = self.judge()
        clock.append(time.perf_counter())
        for member in active:
            member.train_seconds += (clock[1] - clock[0]) / len(active)
            member.validate_seconds += (clock[2] - clock[1]) / len(active)
        self._end_epoch({**train, **val}, rates)
        for row, member in enumerate(self._rows):
            if member.ending is None and member.epochs == self.max_epochs:
                member.ending = "completed"
            if member.ending is not None and member in active:
                self.stack.let_go(row)
                self._on_member_end(member)

    def end(self, member: Member, ending: Ending) -> None:
        """Let a member end that has nothing left to do."""
        member.ending = ending
        self.stack.let_go(self._row_of(member))
        self._on_member_end(member)

    def takes(self, member: Member) -> bool:
        """Tell whether a member of the same structure can take a place: its numbers may need another program."""
        smoothing = _label_smoothing_of(member)
        return self.program.takes(member.task.model, smoothing) and self.data.takes(member.data)

    def admit(self, members: Sequence[Member]) -> None:
        """Let members take the places of ended ones, each from its seed or from its checkpoint.

        Args:
            members: at most as many as are vacant, which `takes` has approved.

        Raises:
            ValueError: if one cannot be stacked on the others.
        """
        rows = [row for row, member in enumerate(self._rows) if member.ending is not None]
        taken = dict(zip(rows, members, strict=False))
        self.data.admit({row: member.data for row, member in taken.items()})
        for row, member in taken.items():
            _load_weights(member, self.stack.flat.dtype)
            model = member.task.model
            self.stack.admit(row, model)
            self.program.admit(row, model, member.seed, _label_smoothing_of(member))
            self.schedules.admit(row, self._schedule_of(member))
            self.optimizer.admit(row, self.schedules.groups)
            self._rows[row] = member
        self.members += members
        self.members = [member for member in self.members if member in self._rows]
        self._columns()
        for row, member in taken.items():
            if member.checkpoint is not None:
                self._take_up(row, member)

    def seat(self, member: Member) -> tuple[Schedule, torch.Generator]:
        """Return a member's schedule, and the generator of its dropout masks."""
        row = self._row_of(member)
        return self.schedules[row], self.program.generator(row)

    def hold(self, member: Member) -> Held:
        """Return copies of all that a member's training goes on from."""
        row = self._row_of(member)
        schedule = self.schedules[row]
        return Held(
            *self.stack.hold(row),
            self.optimizer.hold(row),
            {name: value for name, value in schedule.group.items() if name != "params"},
            copy.deepcopy(schedule.scheduler.state_dict()),
            self.program.generator(row).get_state(),
        )

    def weights_of(self, held: Held) -> dict[str, Tensor]:
        """Return the parameters and buffers that are held, as a network's `load_state_dict` takes them."""
        return {name: view[0] for name, view in self.stack.columns(held.parameters).items()} | held.buffers

    def fill_in(self, member: Member, held: Held | None = None) -> tuple[Schedule, torch.Generator]:
        """Put what the group knows of a member into its own optimizer, as if that had trained it.

        Args:
            member: one of the group.
            held: what is put there; by default all as it is now.

        Returns:
            Its schedule, with that optimizer, and the generator of its dropout masks.
        """
        row = self._row_of(member)
        schedule = self.schedules[row]
        state = self.optimizer.hold(row) if held is None else held.optimizer
        parameters = dict(member.task.model.named_parameters())
        for name, own in self.optimizer.named(state).items():
            schedule.optimizer.state[parameters[name]] = own
        return schedule, self.program.generator(row)

    def _row_of(self, member: Member) -> int:
        return next(row for row, other in enumerate(self._rows) if other is member)

    def _schedule_of(self, member: Member) -> Schedule:
        return Schedule(member.task, total_steps=self.data.steps_per_epoch * self.max_epochs)

    def _take_up(self, row: int, member: Member) -> None:
        """Go on from a member's checkpoint, whose weights are in the stack."""
        content, schedule = member.checkpoint, self.schedules[row]
        assert content is not None
        [optimizer], [scheduler] = content["optimizer_states"], content["lr_schedulers"]
        schedule.optimizer.load_state_dict(optimizer)
        schedule.scheduler.load_state_dict(scheduler)
        member.epochs, member.steps = content["epoch"], content["global_step"]
        names: dict[Tensor, str] = {each: name for name, each in member.task.model.named_parameters()}
        state = {names[each]: dict(own) for each, own in schedule.optimizer.state.items() if own}
        schedule.optimizer.state.clear()
        self.optimizer.admit(row, self.schedules.groups, state, member.steps)
        generator = self.program.generator(row)
        if generator.device.type == "cpu":
            generator.set_state(content["random_state"][0]["torch"])
        else:  # whose state checkpoints do not have: as random, but not the same
            generator.manual_seed(member.seed + _EPOCHS_APART * member.epochs)
        member.checkpoint = None

    def record(self) -> None:
        """Write down the programs of this width ahead of time, so that the first epoch is no slower."""
        for batch in self.data.train():
            if isinstance(batch, RaggedBatch):
                for rows, part in batch.parts:
                    parameters, buffers = _some(self._parameters, rows), _some(self.stack.buffers, rows)
                    self.program.record_train(parameters, buffers, part.x, part.wanted)
                continue
            for block in self._blocks:
                own = slice(block.rows.start, block.rows.stop)
                self.program.record_train(block.parameters, block.buffers, batch.x[own], batch.wanted[own])

    def watch_steps(self, on_step: Callable[[Sequence[Member], Tensor], None]) -> None:
        """Tell of each step from now on: the members of the rows, and their losses (width,)."""
        self._on_step = on_step

    def train_epoch(self, epoch: int) -> dict[str, list[float]]:
        """Train every row for an epoch, counted from 0; return `train/metric` → one value a row."""
        self.data.epochs = [epoch] * self.width
        return self.train_rows()

    def train_rows(self, *, most_batches: int | None = None) -> dict[str, list[float]]:
        """Train every row for its epoch, or its first batches; return `train/metric` → one value a row."""
        seen, before = [], [member.steps for member in self._rows]
        for batch in itertools.islice(self.data.train(), most_batches):
            self.optimizer.advance(self.stack.flat)
            losses = self._step(batch) if isinstance(batch, StackedBatch) else self._step_in_parts(batch)
            seen.append(losses)
            if self._on_step:
                self._on_step(self._rows, losses)
            if self.schedules.after_step():
                self.optimizer.set_numbers(self.schedules.groups)
            for member in self._rows:
                member.steps += member.ending is None
        self._look_at(torch.stack(seen), before)
        return _floats(self._meters[0].read())

    def _step(self, batch: StackedBatch) -> Tensor:
        """Take a step of all rows, block by block; return the losses (width,)."""
        seen = []
        for block in self._blocks:
            own = slice(block.rows.start, block.rows.stop)
            gradients, losses, outputs, buffers = self.program.train(
                block.parameters, block.buffers, batch.x[own], batch.wanted[own], block.rows
            )
            self.stack.write_buffers(buffers, block.rows)
            self._update(gradients, block)
            del gradients  # before the next ones are computed
            seen.append((losses, outputs))
        losses, outputs = (_joined(parts) for parts in zip(*seen, strict=True))
        self._meters[0].add(losses, self._predictions(outputs), batch.target)
        return losses

    def _step_in_parts(self, batch: RaggedBatch) -> Tensor:
        """Take a step of rows whose batches differ in length; return the losses (width,)."""
        all_rows = _Block(range(self.width), self._parameters, self.stack.buffers)
        losses = self.stack.flat.new_empty(self.width)
        gradients = {name: torch.empty_like(value) for name, value in self._parameters.items()}
        for rows, part in batch.parts:
            parameters, buffers = _some(self._parameters, rows), _some(self.stack.buffers, rows)
            learnt, losses[rows], outputs, after = self.program.train(
                parameters, buffers, part.x, part.wanted, rows
            )
            self._meters[0].add(losses[rows], self._predictions(outputs, rows), part.target, rows)
            self.stack.write_buffers(after, rows)
            for name, value in learnt.items():
                gradients[name][rows] = value
        self._update(gradients, all_rows)
        return losses

    def _update(self, gradients: dict[str, Tensor], block: "_Block") -> None:
        self._add_penalty(gradients, block)
        self._clip(gradients, block)
        self.optimizer.step(gradients, block.rows)

    def _look_at(self, losses: Tensor, before: Sequence[int]) -> None:
        """Note of each member the first loss that is not finite; losses: (steps, width)."""
        bad = ~losses.isfinite()
        for row in bad.any(dim=0).nonzero().flatten().tolist():
            member = self._rows[row]
            if member.ending is None:
                step = int(bad[:, row].nonzero()[0])
                member.bad_loss = (before[row] + step + 1, float(losses[step, row]))

    def judge(self) -> dict[str, list[float]]:
        """Measure every row on its validation part; return `val/metric` → one value a row."""
        meter = self._meters[1]
        for batch in self.data.val():
            losses, outputs = self._judge(batch)
            if batch.lengths is None:
                meter.add(losses, self._predictions(outputs), batch.target)
                continue
            for length, rows in alike(batch.lengths).items():
                if length:
                    own, wanted, target = (part[rows, :length] for part in (outputs, batch.wanted, batch.target))
                    lost = [self.program.loss(*each) for each in zip(rows, own, wanted, strict=True)]
                    meter.add(torch.stack(lost), self._predictions(own, rows), target, rows)
        return _floats(meter.read())

    def _judge(self, batch: StackedBatch) -> tuple[Tensor, Tensor]:
        """Return losses (width,) and outputs (width, B, K) in evaluation form."""
        seen = []
        for block in self._blocks:
            own = slice(block.rows.start, block.rows.stop)
            x, wanted = batch.x[own], batch.wanted[own]
            seen.append(self.program.judge(block.parameters, block.buffers, x, wanted, block.rows))
        losses, outputs = (_joined(parts) for parts in zip(*seen, strict=True))
        return losses, outputs

    def losses_of(self, batch: StackedBatch | RaggedBatch) -> Tensor:
        """Return the losses (width,) of a training batch in evaluation form."""
        if isinstance(batch, StackedBatch):
            return self._judge(batch)[0]
        losses = self.stack.flat.new_empty(self.width)
        for rows, part in batch.parts:
            parameters, buffers = _some(self._parameters, rows), _some(self.stack.buffers, rows)
            losses[rows] = self.program.judge(parameters, buffers, part.x, part.wanted, rows)[0]
        return losses

    def _end_epoch(self, measures: dict[str, list[float]], rates: list[float]) -> None:
        finite = self.stack.flat.isfinite().all(dim=1).tolist()
        for row, member in enumerate(self._rows):
            own = {name: values[row] for name, values in measures.items()}
            if member.ending is None:
                member.bad_weights = not finite[row]
                self._tell(row, member, own, rates[row])
            self.schedules[row].after_epoch(own)
        self.optimizer.set_numbers(self.schedules.groups)

    def _tell(self, row: int, member: Member, measures: dict[str, float], lr: float) -> None:
        if member.bad_loss is not None:
            member.ending, member.steps = "diverged", member.bad_loss[0]
            return
        if member.bad_weights:
            member.ending = "diverged"
            return
        epoch, member.epochs = member.epochs, member.epochs + 1
        value = measures[self.monitor]
        is_best = math.isfinite(value) and (
            member.best_value is None
            or (value > member.best_value if self.mode == "max" else value < member.best_value)
        )
        if is_best:
            member.best_value, member.best_epoch, member.best_measures = value, epoch, measures
            if self._keeps_best:
                member.best_state = self.stack.member(row)
        stops = self._on_epoch_end(EpochEnd(member, epoch, measures, lr, is_best))
        if stops:
            member.ending = "stopped"

    def _compact(self) -> None:
        """Drop ended members once half of the width is empty: few widths, so that few programs are recorded."""
        width = self.width
        while width > 1 and len(self.active) <= width // 2:
            width //= 2
        if width == self.width:
            return
        living = [row for row, member in enumerate(self._rows) if member.ending is None]
        ended = [row for row, member in enumerate(self._rows) if member.ending is not None]
        rows = sorted(living + ended[: width - len(living)])
        self._rows = [self._rows[row] for row in rows]
        parts: list[_Kept] = [self.stack, self.optimizer, self.program, self.schedules, self.data, *self._meters]
        for part in parts:
            part.keep(rows)
        self._columns()

    def _columns(self) -> None:
        """Lay out what is one number a member as tensors (width,)."""
        self._parameters = self.stack.parameters
        self._blocks = [
            _Block(rows, *(_cut(of, rows) for of in (self._parameters, self.stack.buffers)))
            for rows in divide(self.width, self._most_at_once)
        ]
        strengths = [member.task.regularization for member in self._rows]
        self._l1, self._l2 = self._column([s.l1 for s in strengths]), self._column([s.l2 for s in strengths])
        clips = [member.gradient_clip for member in self._rows]
        unlimited = all(clip is None for clip in clips)
        self._clips = None if unlimited else self._column([math.inf if clip is None else clip for clip in clips])
        self._scalers = _stacked_scaler([member.task.target_scaler for member in self._rows], self.stack.flat)

    def _column(self, values: list[float]) -> Tensor | None:
        return self.stack.flat.new_tensor(values) if any(values) else None

    def _add_penalty(self, gradients: dict[str, Tensor], block: "_Block") -> None:
        """Add the gradient of l1 Σ|θ| + l2 Σθ² over the weights."""
        for name in self.stack.weights:
            weight, gradient = block.parameters[name], gradients[name]
            if self._l1 is not None:
                gradient = torch.addcmul(gradient, weight.sign(), block.column(self._l1, weight))
            if self._l2 is not None:
                gradient = torch.addcmul(gradient, weight, block.column(self._l2, weight), value=2)
            gradients[name] = gradient

    def _clip(self, gradients: dict[str, Tensor], block: "_Block") -> None:
        """Hold the norm of each member's gradient below its bound, as `torch.nn.utils.clip_grad_norm_` does."""
        if self._clips is None:
            return
        of_each = [torch.linalg.vector_norm(value.reshape(len(value), -1), dim=1) for value in gradients.values()]
        norms = torch.linalg.vector_norm(torch.stack(of_each), dim=0)
        shares = (block.column(self._clips, norms) / (norms + 1e-6)).clamp(max=1.0)
        for name, value in gradients.items():
            gradients[name] = value * shares.view(-1, *[1] * (value.ndim - 1))

    def _predictions(self, outputs: Tensor, rows: list[int] | None = None) -> Tensor:
        """Map outputs (M, B, K) of all rows, or of some, to predictions (M, B, …), as each member's task does."""
        members, samples = outputs.shape[:2]
        flat: Tensor = self._rows[0].task.plain_predictions(outputs.flatten(0, 1))
        predicted = flat.reshape(members, samples, *flat.shape[1:])
        if self._scalers is None:
            return predicted
        shift, scale = self._scalers if rows is None else (part[rows] for part in self._scalers)
        return predicted * scale + shift

    def _label_smoothing(self) -> Tensor | None:
        shares = [_label_smoothing_of(member) for member in self.members]
        return self.stack.flat.new_tensor(shares) if any(shares) else None


def _label_smoothing_of(member: Member) -> float:
    loss = member.task.loss
    return loss.label_smoothing if type(loss) is CrossEntropy else 0.0


def _load_weights(member: Member, dtype: torch.dtype) -> None:
    if member.checkpoint is not None:
        member.task.model.to(dtype)
        member.task.load_state_dict(member.checkpoint["state_dict"])


def _cut(stacked: dict[str, Tensor], rows: range) -> dict[str, Tensor]:
    return {name: value[rows.start : rows.stop] for name, value in stacked.items()}


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts))


def _some(stacked: dict[str, Tensor], rows: list[int]) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in stacked.items()}


def _stacked_scaler(scalers: Sequence[Affine | None], like: Tensor) -> tuple[Tensor, Tensor] | None:
    known = [scaler for scaler in scalers if scaler is not None]
    if not known:
        return None
    shift, scale = (
        torch.stack(part).to(like).unsqueeze(1) for part in zip(*[(s.shift, s.scale) for s in known], strict=True)
    )
    return shift, scale


def _floats(measures: dict[str, Tensor]) -> dict[str, list[float]]:
    return {name: value.tolist() for name, value in measures.items()}
