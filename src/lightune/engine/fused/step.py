"""One optimizer step of M members, block by block: forward, backward, penalties, clipping, update, measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lightune.data.scaling import Affine
from lightune.engine.fused.blocks import Block, divide, most_at_once
from lightune.engine.fused.data import RaggedBatch, StackedBatch, StackedData, alike
from lightune.engine.fused.dropout import DropoutMasks
from lightune.engine.fused.member import Member
from lightune.engine.fused.optimizer import StackedOptimizer
from lightune.engine.fused.program import Program, Recorded
from lightune.engine.fused.ragged_metrics import STAGES, Stage, meter_of
from lightune.engine.fused.regularization import StackedRegularization
from lightune.engine.fused.schedules import Schedule, Schedules
from lightune.engine.fused.stack import Stack

__all__ = ["Computation", "StackedStep"]


@dataclass(frozen=True)
class Computation:
    """How a group is computed.

    Args:
        dtype: of parameters, of inputs, and of targets that are values.
        device: where it happens.
        block_width: most members computed at a time, > 0; None for as many as the processor's cache holds.
    """

    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"
    block_width: int | None = None


class _Rows(Protocol):
    def keep(self, rows: list[int]) -> None: ...


class StackedStep:
    """Take the optimizer steps of M members, and measure them.

    Args:
        members: of one structure, loss and kind of optimizer; their weights are loaded.
        data: theirs.
        schedules: theirs.
        computation: how they are computed.
        recorded: programs that were recorded for members of this structure before; it is added to.

    Raises:
        ValueError: if the members cannot be stacked.
    """

    def __init__(
        self,
        members: Sequence[Member],
        data: StackedData,
        schedules: Schedules,
        computation: Computation,
        recorded: Recorded | None = None,
    ) -> None:
        dtype, device = computation.dtype, computation.device
        models = [member.task.model for member in members]
        template = max(models, key=lambda model: sum(type(m) is torch.nn.Dropout for m in model.modules()))
        masks = DropoutMasks(template, models, [m.seed for m in members], device=device, dtype=dtype)
        self.stack = Stack(models, dtype=dtype, device=device)
        shares = [member.label_smoothing for member in members]
        smoothing = self.stack.flat.new_tensor(shares) if any(shares) else None
        weights = _stacked_weights(members, self.stack.flat)
        self.program = Program(
            masks, members[0].task.loss, label_smoothing=smoothing, class_weights=weights, recorded=recorded
        )
        self.schedules = schedules
        kind = type(schedules[0].optimizer)
        self.optimizer = StackedOptimizer(kind, schedules.groups, self.stack.flat, self.stack.columns)
        metrics = members[0].task.metrics
        self._meters = {stage: meter_of(metrics, stage, data.sizes(stage)) for stage in STAGES}
        first = next(iter(data.train()))
        batch = first.parts[0][1] if isinstance(first, RaggedBatch) else first
        self._block_width = computation.block_width or most_at_once(models[0], batch.x[0])
        self._lay_out(members)

    @property
    def width(self) -> int:
        """Number of rows, M."""
        return len(self.stack)

    def train(self, batch: StackedBatch | RaggedBatch) -> Tensor:
        """Take a step of all rows on a batch of each; return the losses (M,)."""
        self.optimizer.advance(self.stack.flat)
        losses = self._in_blocks(batch) if isinstance(batch, StackedBatch) else self._in_parts(batch)
        if self.schedules.after_step():
            self.optimizer.set_numbers(self.schedules.groups)
        return losses

    def validate(self, batch: StackedBatch) -> None:
        """Measure all rows on a validation batch of each."""
        meter = self._meters["val"]
        losses, outputs = self._evaluate(batch)
        if batch.lengths is None:
            meter.add(losses, self._predictions(outputs), batch.target)
            return
        for length, rows in alike(batch.lengths).items():
            if length:
                own, wanted, target = (part[rows, :length] for part in (outputs, batch.wanted, batch.target))
                lost = [self.program.loss(*each) for each in zip(own, wanted, strict=True)]
                meter.add(torch.stack(lost), self._predictions(own, rows), target, rows)

    def losses(self, batch: StackedBatch | RaggedBatch) -> Tensor:
        """Return the losses (M,) of a training batch in evaluation form; nothing is measured."""
        if isinstance(batch, StackedBatch):
            return self._evaluate(batch)[0]
        losses = self.stack.flat.new_empty(self.width)
        for rows, part in batch.parts:
            parameters, buffers = _some(self._parameters, rows), _some(self.stack.buffers, rows)
            losses[rows] = self.program.evaluate(parameters, buffers, part.x, part.wanted)[0]
        return losses

    def read(self, stage: Stage) -> dict[str, list[float]]:
        """Return what a stage measured since the last reading: `stage/metric` → one value a row."""
        return {name: values.tolist() for name, values in self._meters[stage].read().items()}

    def validated(self, row: int) -> tuple[Tensor, Tensor] | None:
        """Return what a row's last validation predicted (N, …) and its targets (N, …)."""
        return self._meters["val"].last_of(row)

    def end_epoch(self, measures: Sequence[dict[str, float]]) -> None:
        """Move the schedules on by an epoch; measures: of each row, `stage/metric` → value."""
        for row, own in enumerate(measures):
            self.schedules[row].after_epoch(own)
        self.optimizer.set_numbers(self.schedules.groups)

    def finite_rows(self) -> list[bool]:
        """Return of each row whether all of its weights are finite."""
        finite: list[bool] = self.stack.flat.isfinite().all(dim=1).tolist()
        return finite

    def keep(self, rows: list[int], members: Sequence[Member]) -> None:
        """Continue with some rows only, whose members these are; between two epochs."""
        parts: list[_Rows] = [self.stack, self.optimizer, self.program, self.schedules, *self._meters.values()]
        for part in parts:
            part.keep(rows)
        self._lay_out(members)

    def add_members(self, schedules: Mapping[int, Schedule], members: Sequence[Member]) -> None:
        """Put members into rows in the place of others.

        Args:
            schedules: row → schedule of the member that takes it.
            members: those of all rows, as they are from now on.

        Raises:
            ValueError: if one cannot be stacked on the others.
        """
        for row, schedule in schedules.items():
            member = members[row]
            model = member.task.model
            self.stack.add_members(row, model)
            self.program.add_members(row, model, member.seed, member.label_smoothing, member.class_weights)
            self.schedules.add_members(row, schedule)
            self.optimizer.add_members(row, self.schedules.groups)
        self._lay_out(members)

    def together(self, row: int) -> int:
        """Return how many rows are computed at once with a row, itself included."""
        return next(len(block.rows) for block in self._blocks if row in block.rows)

    def _lay_out(self, members: Sequence[Member]) -> None:
        """Divide the rows into blocks; lay out what is one number a member as tensors (M,)."""
        self._task = members[0].task
        self._parameters = self.stack.parameters
        self._blocks = [
            Block(rows, *(_cut(of, rows) for of in (self._parameters, self.stack.buffers)))
            for rows in divide(self.width, self._block_width)
        ]
        self._regularization = StackedRegularization(
            [member.task.regularization for member in members],
            [member.gradient_clip for member in members],
            weights=self.stack.weights,
            like=self.stack.flat,
        )
        self._scaler = _stacked_scaler([member.task.target_scaler for member in members], self.stack.flat)

    def _in_blocks(self, batch: StackedBatch) -> Tensor:
        """Take a step of all rows, block by block; return the losses (M,)."""
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
        self._meters["train"].add(losses, self._predictions(outputs), batch.target)
        return losses

    def _in_parts(self, batch: RaggedBatch) -> Tensor:
        """Take a step of rows whose batches differ in length; return the losses (M,)."""
        all_rows = Block(range(self.width), self._parameters, self.stack.buffers)
        losses = self.stack.flat.new_empty(self.width)
        gradients = {name: torch.empty_like(value) for name, value in self._parameters.items()}
        for rows, part in batch.parts:
            parameters, buffers = _some(self._parameters, rows), _some(self.stack.buffers, rows)
            own, losses[rows], outputs, after = self.program.train(parameters, buffers, part.x, part.wanted, rows)
            self._meters["train"].add(losses[rows], self._predictions(outputs, rows), part.target, rows)
            self.stack.write_buffers(after, rows)
            for name, value in own.items():
                gradients[name][rows] = value
        self._update(gradients, all_rows)
        return losses

    def _update(self, gradients: dict[str, Tensor], block: Block) -> None:
        self._regularization.apply(gradients, block)
        self.optimizer.step(gradients, block.rows)

    def _evaluate(self, batch: StackedBatch) -> tuple[Tensor, Tensor]:
        """Return losses (M,) and outputs (M, B, K) in evaluation form."""
        seen = []
        for block in self._blocks:
            own = slice(block.rows.start, block.rows.stop)
            x, wanted = batch.x[own], batch.wanted[own]
            seen.append(self.program.evaluate(block.parameters, block.buffers, x, wanted))
        losses, outputs = (_joined(parts) for parts in zip(*seen, strict=True))
        return losses, outputs

    def _predictions(self, outputs: Tensor, rows: list[int] | None = None) -> Tensor:
        """Map outputs (M, B, K) of all rows, or of some, to predictions (M, B, …), as each member's task does."""
        members, samples = outputs.shape[:2]
        flat: Tensor = self._task.plain_predictions(outputs.flatten(0, 1))
        predicted = flat.reshape(members, samples, *flat.shape[1:])
        if self._scaler is None:
            return predicted
        shift, scale = self._scaler if rows is None else (part[rows] for part in self._scaler)
        return predicted * scale + shift


def _cut(stacked: dict[str, Tensor], rows: range) -> dict[str, Tensor]:
    return {name: value[rows.start : rows.stop] for name, value in stacked.items()}


def _some(stacked: dict[str, Tensor], rows: list[int]) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in stacked.items()}


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts))


def _stacked_weights(members: Sequence[Member], like: Tensor) -> Tensor | None:
    """Return the class weights (M, C) of members; None if no class of any counts more than another."""
    known = [member.class_weights for member in members]
    first = next((own for own in known if own is not None), None)
    if first is None:
        return None
    return torch.stack([torch.ones_like(first) if own is None else own for own in known]).to(like)


def _stacked_scaler(scalers: Sequence[Affine | None], like: Tensor) -> tuple[Tensor, Tensor] | None:
    known = [scaler for scaler in scalers if scaler is not None]
    if not known:
        return None
    shift, scale = (
        torch.stack(part).to(like).unsqueeze(1) for part in zip(*[(s.shift, s.scale) for s in known], strict=True)
    )
    return shift, scale
