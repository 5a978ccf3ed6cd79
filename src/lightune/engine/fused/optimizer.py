"""Update rules for many members at once: torch's optimizers with one learning rate, momentum, … a member.

`torch.optim` takes one number for all that it updates. Here every number is a column (M, 1), and a member's
parameters are a row. The formulas are those of torch's own single-tensor implementations. Where members are large,
torch's own kernels update them one after the other (`lightune.engine.kernels`).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from lightune.engine.kernels import kernel_for

Columns = Callable[[Tensor], dict[str, Tensor]]
Numbers = Mapping[str, Tensor]
State = dict[str, Tensor]
_Block = tuple[tuple[Tensor, Tensor, State], slice]
Rule = Callable[[Tensor, Tensor, State, Numbers], None]

_BLOCK_BYTES = 128 * 1024  # of each operand on a CPU: a rule's operands together stay in the second-level cache


def sgd(p: Tensor, g: Tensor, state: State, n: Numbers) -> None:
    """Stochastic gradient descent with momentum μ, dampening τ and, with `nesterov`, its look-ahead.

    b ← μ b + (1 - τ) g, with b = g at first; p ← p - lr b, or p ← p - lr (g + μ b).

    Source: Sutskever et al. 2013, eq. 1 to 4, in the form of `torch.optim.SGD`.
    """
    g.addcmul_(p, n["weight_decay"])
    if "momentum_buffer" in state:
        b = state["momentum_buffer"]
        b.mul_(n["momentum"]).addcmul_(g, n["inflow"])
        g = g.addcmul_(b, n["momentum"]) if "nesterov" in n else b
    p.addcmul_(g, n["minus_lr"])


def adam(p: Tensor, g: Tensor, state: State, n: Numbers) -> None:
    """Adam, or AdamW where weight decay is decoupled (`decay` in the numbers), or either with AMSGrad.

    m ← β1 m + (1 - β1) g; v ← β2 v + (1 - β2) g²; p ← p - lr m̂ / (√v̂ + ε) with m̂ = m / (1 - β1ᵗ) and
    v̂ = v / (1 - β2ᵗ). Both corrections are folded into the step and into ε: the same value, fewer operations.

    Source: Kingma & Ba 2015, algorithm 1 and the end of section 2; Loshchilov & Hutter 2019, algorithm 2;
    Reddi et al. 2018, algorithm 2.
    """
    if "decay" in n:
        p.mul_(n["decay"])
    else:
        g.addcmul_(p, n["weight_decay"])
    m, v = state["exp_avg"], state["exp_avg_sq"]
    m.lerp_(g, n["one_minus_beta1"])
    v.lerp_(g.mul_(g), n["one_minus_beta2"])
    if "max_exp_avg_sq" in state:
        v = torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
    denominator = torch.sqrt(v, out=g).add_(n["corrected_eps"])
    p.addcmul_(torch.div(m, denominator, out=g), n["minus_step"])


def rmsprop(p: Tensor, g: Tensor, state: State, n: Numbers) -> None:
    """RMSprop with smoothing constant a (`alpha`), momentum and centring as torch has them.

    v ← a v + (1 - a) g²; p ← p - lr g / (√v + ε); centred, v is reduced by the square of the mean gradient.

    Source: Tieleman & Hinton 2012, lecture 6.5; Graves 2013, eq. 38 to 41, for the centred form.
    """
    g.addcmul_(p, n["weight_decay"])
    v = state["square_avg"]
    v.lerp_(g * g, n["one_minus_alpha"])
    if "grad_avg" in state:
        mean = state["grad_avg"].lerp_(g, n["one_minus_alpha"])
        v = v - mean * mean
    g.div_(v.sqrt().add_(n["eps"]))
    if "momentum_buffer" in state:
        g = state["momentum_buffer"].mul_(n["momentum"]).add_(g)
    p.addcmul_(g, n["minus_lr"])


def adagrad(p: Tensor, g: Tensor, state: State, n: Numbers) -> None:
    """Adagrad: s ← s + g²; p ← p - lr / (1 + (t - 1) lr_decay) · g / (√s + ε).

    Source: Duchi et al. 2011, figure 1 with diagonal matrices, in the form of `torch.optim.Adagrad`.
    """
    g.addcmul_(p, n["weight_decay"])
    s = state["sum"].addcmul_(g, g)
    p.addcmul_(g.div_(s.sqrt().add_(n["eps"])), n["minus_step"])


RULES: dict[type[Optimizer], Rule] = {SGD: sgd, Adam: adam, AdamW: adam, RMSprop: rmsprop, Adagrad: adagrad}

# Numbers that members may differ in; everything else in a parameter group is a switch and must agree.
NUMBERS: dict[type[Optimizer], tuple[str, ...]] = {
    SGD: ("lr", "momentum", "dampening", "weight_decay"),
    Adam: ("lr", "betas", "eps", "weight_decay"),
    AdamW: ("lr", "betas", "eps", "weight_decay"),
    RMSprop: ("lr", "alpha", "eps", "momentum", "weight_decay"),
    Adagrad: ("lr", "lr_decay", "weight_decay", "eps", "initial_accumulator_value"),
}


class StackedOptimizer:
    """Update M rows of parameters, each with numbers of its own.

    Args:
        kind: torch's optimizer class, one of `RULES`.
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
        self._switches = _switches(kind, groups[0])
        if any(_switches(kind, group) != self._switches for group in groups):
            raise ValueError(f"members must have the same switches of {kind.__name__}")
        self.steps = torch.zeros(len(flat), dtype=torch.float64)
        self._like = flat.new_empty(1, flat.shape[1])
        self.state = self._fresh_state(groups, flat)
        self._flat: Tensor | None = None
        self._gradients: Tensor | None = None
        self._blocks: dict[range, tuple[dict[str, Tensor], list[_Block]]] = {}
        sizes = [column[0].numel() for column in columns(self._like).values()]
        self._kernel = kernel_for(kind, self._switches, sizes, flat)
        self.set_numbers(groups)

    def set_numbers(self, groups: list[dict[str, object]]) -> None:
        """Take up the numbers of each member's parameter group, after its scheduler moved them."""
        columns: dict[str, list[float]] = {}
        for group in groups:
            for name in NUMBERS[self.kind]:
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

    @property
    def by_kernel(self) -> bool:
        """Whether members are updated one after the other by torch's own kernel."""
        return self._kernel is not None

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
            derived = self._derived()
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
            self._rule(p, g, state, dict(zip(self._derived_names, own.unbind(), strict=True)))

    def _step_by_kernel(self, gradients: Mapping[str, Tensor], rows: range) -> None:
        assert self._kernel is not None
        own = zip(*(gradients[name].contiguous().unbind() for name in self._names), strict=True)
        for row, g in zip(rows, own, strict=True):
            p, state, steps = self._lists[row]
            self._kernel(p, g, state, steps, self._settings[row], self._first[row])

    def member(self, row: int) -> dict[str, dict[str, Tensor]]:
        """Return the state of one member as torch's optimizer keeps it: parameter's name → name → tensor."""
        return self.named(self.hold(row))

    def hold(self, row: int) -> State:
        """Return copies of one member's state: name → (1, P), and its number of steps."""
        has_momentum = "momentum" not in self._raw or bool(self._raw["momentum"][row])
        idle = set() if has_momentum else {"momentum_buffer"}
        state = {key: value[row : row + 1].clone() for key, value in self.state.items() if key not in idle}
        return {**state, "step": self.steps[row].float()}

    def named(self, held: State) -> dict[str, dict[str, Tensor]]:
        """Return what `hold` returned as torch's optimizer keeps it: parameter's name → name → tensor."""
        state: dict[str, dict[str, Tensor]] = {}
        for key, value in held.items():
            if key != "step":
                for name, view in self._columns(value).items():
                    state.setdefault(name, {})[key] = view[0].clone()
        if self.kind is not SGD:
            for own in state.values():
                own["step"] = held["step"].clone()
        return state

    def admit(
        self,
        row: int,
        groups: list[dict[str, object]],
        state: Mapping[str, Mapping[str, Tensor]] | None = None,
        steps: int = 0,
    ) -> None:
        """Let a member take the place of another.

        Args:
            row: its place.
            groups: the parameter groups of all members.
            state: what `member` returned of it before; None if it has taken no step.
            steps: how many it has taken.

        Raises:
            ValueError: if its switches are others.
        """
        if _switches(self.kind, groups[row]) != self._switches:
            raise ValueError(f"members must have the same switches of {self.kind.__name__}")
        fresh = self._fresh_state([groups[row]], self._like)
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
        """Go on with these members only."""
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

    def _fresh_state(self, groups: list[dict[str, object]], flat: Tensor) -> State:
        def zeros() -> Tensor:
            return torch.zeros_like(flat)

        if self.kind is SGD:
            return {"momentum_buffer": zeros()} if any(group["momentum"] for group in groups) else {}
        if self.kind is RMSprop:
            state = {"square_avg": zeros()}
            if self._switches["centered"]:
                state["grad_avg"] = zeros()
            if any(group["momentum"] for group in groups):
                state["momentum_buffer"] = zeros()
            return state
        if self.kind is Adagrad:
            first = [float(group["initial_accumulator_value"]) for group in groups]  # type: ignore[arg-type]
            return {"sum": zeros() + torch.tensor(first, dtype=flat.dtype, device=flat.device).unsqueeze(1)}
        state = {"exp_avg": zeros(), "exp_avg_sq": zeros()}
        if self._switches["amsgrad"]:
            state["max_exp_avg_sq"] = zeros()
        return state

    def _derived(self) -> dict[str, Tensor]:
        """Return what the rule multiplies with at this step, (M,) float64 each."""
        n, t = self._raw, self.steps
        if self.kind is SGD:
            # torch's first buffer is the gradient itself, and dampening means nothing without momentum
            damped = (t > 1) & (n["momentum"] != 0)
            inflow = torch.where(damped, 1 - n["dampening"], torch.ones_like(t))
            derived = {"minus_lr": -n["lr"], "inflow": inflow}
            if self._switches["nesterov"]:
                derived["nesterov"] = t
            return n | derived
        if self.kind is RMSprop:
            return n | {"minus_lr": -n["lr"], "one_minus_alpha": 1 - n["alpha"]}
        if self.kind is Adagrad:
            return n | {"minus_step": -n["lr"] / (1 + (t - 1) * n["lr_decay"])}
        first, second = 1 - n["beta1"] ** t, (1 - n["beta2"] ** t).sqrt()
        derived = {
            "one_minus_beta1": 1 - n["beta1"],
            "one_minus_beta2": 1 - n["beta2"],
            "corrected_eps": n["eps"] * second,
            "minus_step": -n["lr"] * second / first,
        }
        if self._switches.get("decoupled_weight_decay", self.kind is AdamW):
            derived["decay"] = 1 - n["lr"] * n["weight_decay"]
        return n | derived


def _switches(kind: type[Optimizer], group: dict[str, object]) -> dict[str, object]:
    """Return what must agree between members; schedulers keep their starting rate in the group, too."""
    own = (*NUMBERS[kind], "params", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")
    return {name: value for name, value in group.items() if name not in own}
