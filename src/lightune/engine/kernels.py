"""Updates by torch's fused kernels: what `fused=True` makes a torch optimizer do on a CPU.

A kernel reads parameters, gradients and moments once, where a rule of tensor operations reads them once an
operation. It takes one learning rate, so for a group it is called once a member; that pays where a member is large
enough. For a network by itself it is called directly, since what an optimizer asks around it at every step, of
profilers, hooks, devices and types, takes five times as long on a small network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from lightune.private_api.torch import fused_kernel, increment, is_watched

Tensors = tuple[Tensor, ...] | list[Tensor]
Lists = Mapping[str, Tensors]
Settings = Mapping[str, Any]
Kernel = Callable[[Tensors, Tensors, Lists, Tensors, Settings, bool], None]

_ONE = torch.tensor(1.0)
_LEAST_ELEMENTS = 1000  # mean size of a parameter; below it, calls cost more than passes over what lies in a cache


def sgd(p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Settings, first: bool) -> None:
    """Update as `torch.optim.SGD(fused=True)` does; without momentum no buffer is touched."""
    fused_kernel("sgd")(
        p,
        g,
        state["momentum_buffer"] if n["momentum"] else [],
        lr=n["lr"],
        momentum=n["momentum"],
        dampening=n["dampening"],
        weight_decay=n["weight_decay"],
        nesterov=n["nesterov"],
        maximize=n["maximize"],
        is_first_step=first,
    )


def adam(p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Settings, first: bool) -> None:
    """Update as `torch.optim.Adam(fused=True)` does, weight decay being part of the gradient."""
    _adam(fused_kernel("adam"), p, g, state, steps, n)


def adamw(p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Settings, first: bool) -> None:
    """Update as `torch.optim.AdamW(fused=True)` does, weight decay being apart from the gradient."""
    _adam(fused_kernel("adamw"), p, g, state, steps, n)


def adagrad(p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Settings, first: bool) -> None:
    """Update as `torch.optim.Adagrad(fused=True)` does."""
    fused_kernel("adagrad")(
        p,
        g,
        state["sum"],
        steps,
        lr=n["lr"],
        weight_decay=n["weight_decay"],
        lr_decay=n["lr_decay"],
        eps=n["eps"],
        maximize=n["maximize"],
    )


def kernel_for(kind: type[Optimizer], switches: Settings, sizes: Sequence[int], like: Tensor) -> Kernel | None:
    """Return the kernel that updates a member, or None where a rule for all of them is faster or there is none.

    Args:
        kind: torch's optimizer class.
        switches: of its parameter groups; `fused=False` in them asks for the rule.
        sizes: elements of each parameter of a member.
        like: of the parameters' device and dtype.
    """
    if switches.get("fused") is False or like.device.type != "cpu" or sum(sizes) < _LEAST_ELEMENTS * len(sizes):
        return None
    return _kernel_of(kind, switches)


def direct_update(optimizer: Optimizer) -> Callable[[], object]:
    """Return what takes an optimizer's steps, to the bit: a call of its kernel if possible, else its own `step`.

    Possible it is for optimizers that say `fused`, that have taken a step, which makes their state, and that
    nobody watches. What is returned serves until the optimizer's state or its groups are replaced.

    Args:
        optimizer: whose parameters lie on a CPU, or `step` is what is returned.
    """
    groups = [_group_of(optimizer, group) for group in optimizer.param_groups]
    if is_watched(optimizer) or not all(groups):
        return optimizer.step

    def update() -> None:
        taken = [(group, [p.grad for p in group.parameters]) for group in groups if group is not None]
        ready = all(group.has_state for group, _ in taken)
        if not (ready and all(g is not None and g.is_contiguous() for _, gradients in taken for g in gradients)):
            optimizer.step()
            return
        with torch.no_grad():
            for group, gradients in taken:
                group.update(gradients)  # type: ignore[arg-type]

    return update


@dataclass(frozen=True)
class _Group:
    kernel: Kernel
    parameters: list[Tensor]
    state: dict[str, list[Tensor]]
    steps: list[Tensor]
    settings: dict[str, Any]
    names: Callable[[Settings], list[str]]

    @property
    def has_state(self) -> bool:
        """Whether it has what a step needs: a schedule may have given it a momentum that it had not."""
        return len(self.names(self.settings)) <= len(self.state)

    def update(self, gradients: list[Tensor]) -> None:
        if self.steps:
            increment(self.steps, _ONE, alpha=1)
        beta1, beta2 = self.settings.get("betas", (None, None))
        settings = {**self.settings, "beta1": beta1, "beta2": beta2}
        self.kernel(self.parameters, gradients, self.state, self.steps, settings, False)


def _group_of(optimizer: Optimizer, settings: dict[str, Any]) -> _Group | None:
    """Return what a kernel takes of a parameter group; None if none can take it, or not yet."""
    kind = type(optimizer)
    kernel, names = _kernel_of(kind, settings), _state_names(kind, settings)
    parameters = [p for p in settings["params"] if p.requires_grad]
    numbers = [settings["lr"], *settings.get("betas", ())]
    are_numbers = all(isinstance(each, int | float) for each in numbers)
    if not parameters or kernel is None or not settings.get("fused") or not are_numbers:
        return None
    states = [optimizer.state.get(p, {}) for p in parameters]
    if not all(isinstance(own.get(name), Tensor) for own in states for name in names):
        return None
    state = {name: [own[name] for own in states] for name in names}
    tensors = [*parameters, *(value for name, values in state.items() if name != "step" for value in values)]
    same = {(each.device.type, each.dtype) for each in tensors} == {("cpu", parameters[0].dtype)}
    if not same or not all(each.is_contiguous() for each in tensors):
        return None
    return _Group(kernel, parameters, state, state.get("step", []), settings, partial(_state_names, kind))


def _state_names(kind: type[Optimizer], settings: Settings) -> list[str]:
    if kind is SGD:
        return ["momentum_buffer"] if settings["momentum"] else []
    if kind is Adagrad:
        return ["sum", "step"]
    return ["exp_avg", "exp_avg_sq", "step", *(["max_exp_avg_sq"] if settings.get("amsgrad") else [])]


def _kernel_of(kind: type[Optimizer], switches: Settings) -> Kernel | None:
    if kind is Adam and switches.get("decoupled_weight_decay"):
        return adamw
    return {SGD: sgd, Adam: adam, AdamW: adamw, Adagrad: adagrad}.get(kind)


def _adam(
    kernel: Callable[..., None],
    p: Tensors,
    g: Tensors,
    state: Lists,
    steps: Tensors,
    n: Settings,
) -> None:
    kernel(
        p,
        g,
        state["exp_avg"],
        state["exp_avg_sq"],
        state.get("max_exp_avg_sq", []),
        steps,
        lr=n["lr"],
        beta1=n["beta1"],
        beta2=n["beta2"],
        weight_decay=n["weight_decay"],
        eps=n["eps"],
        amsgrad=n["amsgrad"],
        maximize=n["maximize"],
    )
