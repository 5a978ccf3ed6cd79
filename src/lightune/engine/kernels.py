"""Updates of one member by torch's fused kernels: what `fused=True` makes a torch optimizer do on a CPU.

A kernel reads parameters, gradients and moments once, where a rule of tensor operations reads them once an
operation. It takes one learning rate, so it is called once a member; that pays where a member is large enough.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

Tensors = tuple[Tensor, ...] | list[Tensor]
Lists = Mapping[str, Tensors]
Kernel = Callable[[Tensors, Tensors, Lists, Tensors, Mapping[str, float], Mapping[str, Any]], None]

_LEAST_ELEMENTS = 1000  # mean size of a parameter; below it, calls cost more than passes over what lies in a cache


def sgd(
    p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Mapping[str, float], on: Mapping[str, Any]
) -> None:
    """Update as `torch.optim.SGD(fused=True)` does; without momentum no buffer is touched."""
    torch._fused_sgd_(
        p,
        g,
        state["momentum_buffer"] if n["momentum"] else [],
        lr=n["lr"],
        momentum=n["momentum"],
        dampening=n["dampening"],
        weight_decay=n["weight_decay"],
        nesterov=on["nesterov"],
        maximize=on["maximize"],
        is_first_step=bool(steps[0] == 1),
    )


def adam(
    p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Mapping[str, float], on: Mapping[str, Any]
) -> None:
    """Update as `torch.optim.Adam(fused=True)` does, weight decay being part of the gradient."""
    _adam(torch._fused_adam_, p, g, state, steps, n, on)


def adamw(
    p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Mapping[str, float], on: Mapping[str, Any]
) -> None:
    """Update as `torch.optim.AdamW(fused=True)` does, weight decay being apart from the gradient."""
    _adam(torch._fused_adamw_, p, g, state, steps, n, on)


def adagrad(
    p: Tensors, g: Tensors, state: Lists, steps: Tensors, n: Mapping[str, float], on: Mapping[str, Any]
) -> None:
    """Update as `torch.optim.Adagrad(fused=True)` does."""
    torch._fused_adagrad_(
        p,
        g,
        state["sum"],
        steps,
        lr=n["lr"],
        weight_decay=n["weight_decay"],
        lr_decay=n["lr_decay"],
        eps=n["eps"],
        maximize=on["maximize"],
    )


def kernel_for(
    kind: type[Optimizer], switches: Mapping[str, Any], sizes: Sequence[int], like: Tensor
) -> Kernel | None:
    """Return the kernel that updates a member, or None where a rule for all of them is faster or there is none.

    Args:
        kind: torch's optimizer class.
        switches: of its parameter groups; `fused=False` in them asks for the rule.
        sizes: elements of each parameter of a member.
        like: of the parameters' device and dtype.
    """
    if switches.get("fused") is False or like.device.type != "cpu" or sum(sizes) < _LEAST_ELEMENTS * len(sizes):
        return None
    if kind is Adam and switches.get("decoupled_weight_decay"):
        return adamw
    return {SGD: sgd, Adam: adam, AdamW: adamw, Adagrad: adagrad}.get(kind)


def _adam(
    kernel: Callable[..., None],
    p: Tensors,
    g: Tensors,
    state: Lists,
    steps: Tensors,
    n: Mapping[str, float],
    on: Mapping[str, Any],
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
        amsgrad=on["amsgrad"],
        maximize=on["maximize"],
    )
