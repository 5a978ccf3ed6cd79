"""Learning-rate schedules over optimizer steps.

A factory that takes `total_steps` is given the length of the run, and is stepped once an optimizer step.
"""

import inspect
import math
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from lightune.ranges import PositiveFloat, PositiveInt, Probability

__all__ = ["one_cycle", "resume_scheduler", "warmup_cosine"]


def warmup_cosine(optimizer: Optimizer, *, total_steps: PositiveInt, warmup_ratio: Probability = 0.1) -> LambdaLR:
    """Raise the learning rate linearly, then lower it to zero along half a cosine.

    Args:
        optimizer: its group learning rates are the peak of the curve.
        total_steps: optimizer steps in the whole run, > 0.
        warmup_ratio: share of the run spent rising, in [0, 1).

    Raises:
        ValueError: if total_steps or warmup_ratio is out of range.

    Source: Loshchilov & Hutter 2017 (SGDR), eq. 5 with one cycle; Goyal et al. 2017, section 2.2, for the rise.
    """
    _require(total_steps, warmup_ratio)
    warmup = round(total_steps * warmup_ratio)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return _half_cosine(1.0, 0.0, min(1.0, (step - warmup) / max(1, total_steps - warmup)))

    return LambdaLR(optimizer, factor)


def one_cycle(
    optimizer: Optimizer,
    *,
    total_steps: PositiveInt,
    warmup_ratio: Probability = 0.3,
    div_factor: PositiveFloat = 25.0,
    final_div_factor: PositiveFloat = 1e4,
) -> LambdaLR:
    """Raise the learning rate to its peak and lower it far below where it began, along half a cosine each.

    The rates are those of `torch.optim.lr_scheduler.OneCycleLR`; the peak is the optimizer's learning rate, and
    a run that is made longer follows the longer curve.

    Args:
        optimizer: its group learning rates are the peak of the curve.
        total_steps: optimizer steps in the whole run, > 0.
        warmup_ratio: share of the run spent rising, in [0, 1).
        div_factor: peak over the first rate, > 0.
        final_div_factor: first rate over the last, > 0.

    Raises:
        ValueError: if an argument is out of range.

    Source: Smith & Topin 2018 (Super-convergence), with cosines for lines as in fastai.
    """
    _require(total_steps, warmup_ratio)
    for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
        if not value > 0:
            raise ValueError(f"{name} must be > 0, got {value}")
    first = 1 / div_factor
    peak = max(0.0, total_steps * warmup_ratio - 1)  # the step at which it is reached, as torch counts
    last = max(1.0, total_steps - 1.0)

    def factor(step: int) -> float:
        if step < peak:
            return _half_cosine(first, 1.0, step / peak)
        return _half_cosine(1.0, first / final_div_factor, min(1.0, (step - peak) / max(1.0, last - peak)))

    return LambdaLR(optimizer, factor)


def resume_scheduler(scheduler: LRScheduler, state: Mapping[str, Any]) -> None:
    """Let a scheduler go on where another one was, by the arguments that it has itself.

    `load_state_dict` would bring the other one's arguments, too: a run that is made longer would follow the curve
    of the shorter one, and cosines would rise again. Where an argument differs (`T_max`, `total_iters`), or where
    the curve is a function and stands in no state (`LambdaLR`), the scheduler is stepped anew to where the other
    was.

    Args:
        scheduler: new, on an optimizer that has its state already; sets the rates of its parameter groups. One
            that is there already is left as it is.
        state: `state_dict()` of the other.
    """
    if isinstance(scheduler, ReduceLROnPlateau) or not _differs(scheduler, state):
        scheduler.load_state_dict(dict(state))
        return
    if scheduler.last_epoch == state["last_epoch"]:
        return
    for group, rate in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step.*")
        for _ in range(state["last_epoch"]):
            scheduler.step()


def _differs(scheduler: LRScheduler, state: Mapping[str, Any]) -> bool:
    """Return True if the curve of a scheduler may be another one than that of the state."""
    if isinstance(scheduler, LambdaLR):
        return all(each is None for each in state["lr_lambdas"])
    arguments = set(inspect.signature(type(scheduler)).parameters) - {"optimizer", "last_epoch"}
    own = vars(scheduler)
    return any(name in own and own[name] != state[name] for name in arguments & set(state))


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))


def _require(total_steps: int, warmup_ratio: float) -> None:
    if total_steps < 1:
        raise ValueError(f"total_steps must be > 0, got {total_steps}")
    if not 0 <= warmup_ratio < 1:
        raise ValueError(f"warmup_ratio must be in [0, 1), got {warmup_ratio}")
