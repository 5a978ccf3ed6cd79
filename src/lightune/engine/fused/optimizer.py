"""One optimizer for many members: it keeps their states in rows and updates all of them, or a block, at a time.

On a CPU, where members are large, torch's own kernels update them one after the other (`lightune.engine.kernels`);
everywhere else a rule of tensor operations updates them together (`lightune.engine.fused.update_rules`).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

from lightune.engine.fused.numbers import NUMBERS
from lightune.engine.fused.update_rules import RULES, State
from lightune.engine.kernels import kernel_for

__all__ = ["StackedOptimizer", "State"]

Columns = Callable[[Tensor], dict[str, Tensor]]
_Block = tuple[tuple[Tensor, Tensor, State], slice]

_BLOCK_BYTES = 128 * 1024  # of each operand on a CPU: a rule's operands together stay in the second-level cache


class StackedOptimizer:
    """Update M rows of parameters, each with numbers of its own.

    Args:
        kind: torch's optimizer class, one of `update_rules.RULES`.
        groups: one parameter group a member, as that optimizer fills it; its numbers are those of step one.
        flat: (M, P), updated in place.
        columns: divides rows (M, P) by parameters: name → (M, …) views.

    Raises:
        ValueError: if the switches of the groups differ.
    """

    def __init__(
        self, kind: type[Optimizer], groups: list[dict[str, object]], flat: Tensor, columns: Columns
    ) -> None:
        self.kind = kind
        self._columns = columns
        self._rule = RULES[kind]
        self._numbers = NUMBERS[kind.__name__]
        self._switches = _switches(kind, groups[0])
        if any(_switches(kind, group) != self._switches for group in groups):
            raise ValueError(f"members must have the same switches of {kind.__name__}")
        self.steps = torch.zeros(len(flat), dtype=torch.float64)
        self._like = flat.new_empty(1, flat.shape[1])
        self.state = self._rule.fresh_state(groups, flat)
        self._flat: Tensor | None = None
        self._gradients: Tensor | None = None
        self._blocks: dict[range, tuple[dict[str, Tensor], list[_Block]]] = {}
        sizes = [column[0].numel() for column in columns(self._like).values()]
        self._kernel = kernel_for(kind, self._switches, sizes, flat)
        self.set_numbers(groups)

    def set_numbers(self, groups: list[dict[str, object]]) -> None:
        """Set the numbers of each member's parameter group, after its scheduler has moved them."""
        columns: dict[str, list[float]] = {}
        for group in groups:
            for name in self._numbers:
                value = group[name]
                if name == "betas":
                    assert isinstance(value, tuple | list)
                    columns.setdefault("beta1", []).append(float(value[0]))
                    columns.setdefault("beta2", []).append(float(value[1]))
                else:
                    columns.setdefault(name, []).append(float(value))  # type: ignore[arg-type]
        self._raw = {name: torch.tensor(column, dtype=torch.float64) for name, column in columns.items()}
        if self._kernel is not None:
            rows = zip(*columns.values(), strict=True)
            self._settings = [self._switches | dict(zip(columns, row, strict=True)) for row in rows]

    def advance(self, flat: Tensor) -> None:
        """Begin a step of all members, whose parameters are flat: (M, P)."""
        self.steps += 1
        if flat is not self._flat:
            self._flat, self._blocks = flat, {}
            if self._kernel is not None:
                self._bind_lists(flat)
        if self._kernel is not None:
            self._kernel_steps.copy_(self.steps)
            self._first = (self.steps == 1).tolist()
        else:
            derived = self._rule.derive(self._raw, self.steps, self._switches)
            self._derived_names = list(derived)
            # one transfer for all columns
            self._table = torch.stack(list(derived.values())).to(flat.device, flat.dtype).unsqueeze(2)

    def step(self, gradients: Mapping[str, Tensor], rows: range) -> None:
        """Take the step of some members with their gradients, name → (rows, …)."""
        if self._kernel is None:
            self._step_by_rule(gradients, rows)
        else:
            self._step_by_kernel(gradients, rows)

    def _step_by_rule(self, gradients: Mapping[str, Tensor], rows: range) -> None:
        if rows not in self._blocks:
            self._blocks[rows] = self._cut(rows)
        columns, blocks = self._blocks[rows]
        for name, column in columns.items():
            column.copy_(gradients[name])
        for (p, g, state), numbers in blocks:
            if self._switches.get("maximize"):
                g.neg_()
            own = self._table[:, numbers]
            self._rule.update(p, g, state, dict(zip(self._derived_names, own.unbind(), strict=True)))

    def _step_by_kernel(self, gradients: Mapping[str, Tensor], rows: range) -> None:
        assert self._kernel is not None
        own = zip(*(gradients[name].contiguous().unbind() for name in self._names), strict=True)
        for row, g in zip(rows, own, strict=True):
            p, state, steps = self._lists[row]
            self._kernel(p, g, state, steps, self._settings[row], self._first[row])

    def snapshot(self, row: int) -> State:
        """Return copies of one member's state: name → (1, P), and its number of steps."""
        has_momentum = "momentum" not in self._raw or bool(self._raw["momentum"][row])
        idle = set() if has_momentum else {"momentum_buffer"}
        state = {key: value[row : row + 1].clone() for key, value in self.state.items() if key not in idle}
        return {**state, "step": self.steps[row].float()}

    def by_parameter(self, snapshot: State) -> dict[str, dict[str, Tensor]]:
        """Return a snapshot as torch's optimizer keeps its state: parameter's name → name → tensor."""
        state: dict[str, dict[str, Tensor]] = {}
        for key, value in snapshot.items():
            if key != "step":
                for name, view in self._columns(value).items():
                    state.setdefault(name, {})[key] = view[0].clone()
        if self.kind is not SGD:
            for own in state.values():
                own["step"] = snapshot["step"].clone()
        return state

    def add_members(
        self,
        row: int,
        groups: list[dict[str, object]],
        state: Mapping[str, Mapping[str, Tensor]] | None = None,
        steps: int = 0,
    ) -> None:
        """Put a member into a row in the place of another.

        Args:
            row: its row.
            groups: the parameter groups of all members.
            state: parameter's name → name → tensor, as `by_parameter` returns it; None if it has taken no step.
            steps: how many it has taken, >= 0.

        Raises:
            ValueError: if its switches are others.
        """
        if _switches(self.kind, groups[row]) != self._switches:
            raise ValueError(f"members must have the same switches of {self.kind.__name__}")
        fresh = self._rule.fresh_state([groups[row]], self._like)
        for key, value in fresh.items():
            if key not in self.state:  # nobody had momentum so far
                self.state[key] = value.new_zeros(len(self.steps), value.shape[1])
        for key, value in self.state.items():
            value[row] = fresh[key][0] if key in fresh else 0
        self.steps[row] = steps
        self._flat = None  # lists and blocks are made anew
        for name, own in (state or {}).items():
            for key, value in own.items():
                if key != "step":
                    self._columns(self.state[key][row : row + 1])[name][0].copy_(value)
        self.set_numbers(groups)

    def keep(self, rows: list[int]) -> None:
        """Continue with these rows only."""
        self._flat = None
        self.state = {name: value[rows] for name, value in self.state.items()}
        self.steps = self.steps[rows]
        self._raw = {name: value[rows] for name, value in self._raw.items()}
        if self._kernel is not None:
            self._settings = [self._settings[row] for row in rows]

    def _cut(self, rows: range) -> tuple[dict[str, Tensor], list[_Block]]:
        """Cut rows into blocks whose operands stay in a CPU's cache; elsewhere one block is best.

        Returns:
            Where the gradients of the rows are put, and the blocks.
        """
        flat = self._flat
        assert flat is not None
        if self._gradients is None or len(self._gradients) < len(rows):
            self._gradients = torch.empty_like(flat[: len(rows)])
        gradients = self._gradients[: len(rows)]
        row_bytes = max(1, flat.shape[1] * flat.element_size())
        size = max(1, _BLOCK_BYTES // row_bytes) if flat.device.type == "cpu" else len(rows)
        blocks = []
        for first in range(rows.start, rows.stop, size):
            own = slice(first, min(first + size, rows.stop))
            g = gradients[own.start - rows.start : own.stop - rows.start]
            blocks.append(((flat[own], g, {name: value[own] for name, value in self.state.items()}), own))
        return self._columns(gradients), blocks

    def _bind_lists(self, flat: Tensor) -> None:
        """Divide the rows by member and parameter."""
        self._kernel_steps = torch.empty(len(flat))  # kernels read 32 bit whatever the tensor's type is
        self._names = list(self._columns(flat))

        def lists(value: Tensor) -> list[tuple[Tensor, ...]]:
            return list(zip(*(column.unbind() for column in self._columns(value).values()), strict=True))

        state = {name: lists(value) for name, value in self.state.items()}
        steps = self._kernel_steps.unbind()
        self._lists = [
            (own, {name: of[row] for name, of in state.items()}, [steps[row]] * len(own))
            for row, own in enumerate(lists(flat))
        ]


def _switches(kind: type[Optimizer], group: dict[str, object]) -> dict[str, object]:
    """Return what must agree between members; schedulers keep their starting rate in the group, too."""
    own = (*NUMBERS[kind.__name__], "params", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")
    return {name: value for name, value in group.items() if name not in own}
