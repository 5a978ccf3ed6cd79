"""Update rules for many members at once: torch's optimizers with one learning rate, momentum, … a member.

`torch.optim` takes one number for all that it updates. Here every number is a column (M, 1), and a member's
parameters are a row (P). The formulas are those of torch's own single-tensor implementations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

__all__ = ["RULES", "Numbers", "State", "UpdateRule"]

Group = Mapping[str, Any]
"""A parameter group of a torch optimizer, or the part of it that all members share."""
Numbers = Mapping[str, Tensor]
State = dict[str, Tensor]


@dataclass(frozen=True)
class UpdateRule:
    """How one of torch's optimizers updates M rows of parameters.

    Args:
        update: changes parameters (M, P) and state in place. It takes them, the gradients (M, P), which it may
            overwrite, the state, and what `derive` returned, (M, 1) each.
        fresh_state: returns the state before the first step, name → (M, P), of the members' parameter groups and
            a tensor of that shape.
        derive: returns what `update` multiplies with at a step, (M,) float64 each, of the members' numbers, the
            number of that step of each member (M,), from 1, and the switches that they share.
    """

    update: Callable[[Tensor, Tensor, State, Numbers], None]
    fresh_state: Callable[[Sequence[Group], Tensor], State]
    derive: Callable[[Numbers, Tensor, Group], dict[str, Tensor]]


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


def _sgd_state(groups: Sequence[Group], like: Tensor) -> State:
    return {"momentum_buffer": torch.zeros_like(like)} if any(group["momentum"] for group in groups) else {}


def _sgd_numbers(n: Numbers, t: Tensor, switches: Group) -> dict[str, Tensor]:
    # torch's first buffer is the gradient itself, and dampening means nothing without momentum
    damped = (t > 1) & (n["momentum"] != 0)
    derived = {"minus_lr": -n["lr"], "inflow": torch.where(damped, 1 - n["dampening"], torch.ones_like(t))}
    if switches["nesterov"]:
        derived["nesterov"] = t
    return {**n, **derived}


def _adam_state(groups: Sequence[Group], like: Tensor) -> State:
    names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if groups[0]["amsgrad"] else [])]
    return {name: torch.zeros_like(like) for name in names}


def _adam_numbers(n: Numbers, t: Tensor, switches: Group, *, decoupled: bool = False) -> dict[str, Tensor]:
    first, second = 1 - n["beta1"] ** t, (1 - n["beta2"] ** t).sqrt()
    derived = {
        "one_minus_beta1": 1 - n["beta1"],
        "one_minus_beta2": 1 - n["beta2"],
        "corrected_eps": n["eps"] * second,
        "minus_step": -n["lr"] * second / first,
    }
    if switches.get("decoupled_weight_decay", decoupled):
        derived["decay"] = 1 - n["lr"] * n["weight_decay"]
    return {**n, **derived}


def _rmsprop_state(groups: Sequence[Group], like: Tensor) -> State:
    centered, moves = groups[0]["centered"], any(group["momentum"] for group in groups)
    names = ["square_avg", *(["grad_avg"] if centered else []), *(["momentum_buffer"] if moves else [])]
    return {name: torch.zeros_like(like) for name in names}


def _rmsprop_numbers(n: Numbers, t: Tensor, switches: Group) -> dict[str, Tensor]:
    return {**n, "minus_lr": -n["lr"], "one_minus_alpha": 1 - n["alpha"]}


def _adagrad_state(groups: Sequence[Group], like: Tensor) -> State:
    first = like.new_tensor([float(group["initial_accumulator_value"]) for group in groups])
    return {"sum": torch.zeros_like(like) + first.unsqueeze(1)}


def _adagrad_numbers(n: Numbers, t: Tensor, switches: Group) -> dict[str, Tensor]:
    return {**n, "minus_step": -n["lr"] / (1 + (t - 1) * n["lr_decay"])}


RULES: dict[type[Optimizer], UpdateRule] = {
    SGD: UpdateRule(sgd, _sgd_state, _sgd_numbers),
    Adam: UpdateRule(adam, _adam_state, _adam_numbers),
    AdamW: UpdateRule(adam, _adam_state, partial(_adam_numbers, decoupled=True)),
    RMSprop: UpdateRule(rmsprop, _rmsprop_state, _rmsprop_numbers),
    Adagrad: UpdateRule(adagrad, _adagrad_state, _adagrad_numbers),
}
