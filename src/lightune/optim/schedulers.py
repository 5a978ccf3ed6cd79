"""Learning-rate schedules over optimizer steps.

A factory that takes `total_steps` is given the length of the run, and is stepped once an optimizer step.
"""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lightune.ranges import PositiveInt, Probability


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
    if total_steps < 1:
        raise ValueError(f"total_steps must be > 0, got {total_steps}")
    if not 0 <= warmup_ratio < 1:
        raise ValueError(f"warmup_ratio must be in [0, 1), got {warmup_ratio}")
    warmup = round(total_steps * warmup_ratio)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1, total_steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, factor)
