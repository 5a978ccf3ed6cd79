"""A learning rate, found by a range test: it rises from step to step, and the loss tells where it learns best."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning import Trainer

from lightune.data.loader import Batch, MixedBatch
from lightune.engine.trial_steps import TrialSteps, own_random_numbers
from lightune.tasks import SupervisedTask

__all__ = ["RateSearch", "find_rate", "steepest"]

_LEAST, _MOST, _STEPS = 1e-6, 10.0, 100
_DIVERGED = 4.0  # times the least running mean of the loss so far
_KEPT = 0.8  # of that mean, from step to step
_SMOOTHED = 4  # steps to either side; about a quarter of a decade
_LEAST_FALL = 0.02  # of the first loss: less is noise


@dataclass(frozen=True)
class RateSearch:
    """What a range test has measured.

    Args:
        rates: learning rate of each step.
        losses: loss (N,) of each step's batch, before the step.
        found: the rate; None if the loss did not fall.
    """

    rates: list[float]
    losses: list[float]
    found: float | None


def find_rate(
    task: SupervisedTask,
    batches: Callable[[], Iterable[Batch | MixedBatch]],
    trainer: Trainer,
    *,
    seed: int,
    pause: Callable[[], None] = lambda: None,
) -> RateSearch:
    """Train a copy of a task for a hundred steps, whose learning rate rises tenfold about every fourteen.

    Groups of parameters keep their proportions. It ends sooner where the running mean of the loss is four times
    its least so far, or a loss is not finite.

    Args:
        task: with fresh weights; neither it nor random numbers that are drawn later are changed.
        batches: returns the training batches of an epoch, at least one; they are taken again and again.
        trainer: which knows the device and the precision.
        seed: of what the steps draw.
        pause: called before each step; it may raise.

    Source: Smith 2017 (Cyclical learning rates), section 3.3.
    """
    rates: list[float] = []
    losses: list[float] = []
    mean, least = 0.0, math.inf
    with own_random_numbers(seed):
        steps = TrialSteps(task, trainer)
        groups = steps.optimizer.param_groups
        base = groups[0]["lr"]
        shares = [group["lr"] / base for group in groups]
        for rate, batch in zip(np.geomspace(_LEAST, _MOST, _STEPS), _forever(batches), strict=False):
            pause()
            for group, share in zip(groups, shares, strict=True):
                group["lr"] = float(rate) * share
            loss = float(steps.step(batch))
            mean = _KEPT * mean + (1 - _KEPT) * loss
            corrected = mean / (1 - _KEPT ** (len(losses) + 1))
            if not math.isfinite(loss) or corrected > _DIVERGED * least:
                break
            least = min(least, corrected)
            rates.append(float(rate))
            losses.append(loss)
    return RateSearch(rates, losses, steepest(rates, losses))


def steepest(rates: list[float], losses: list[float]) -> float | None:
    """Return the rate at which the loss falls most over the logarithm of the rate, to two digits.

    Args:
        rates: > 0, rising.
        losses: at each; they are smoothed by a triangular window, which shifts nothing to either side.

    Returns:
        The rate; None where the smoothed loss never falls by 2 % of what it was.
    """
    if len(losses) <= 2 * _SMOOTHED:
        return None
    smooth = smoothed(np.asarray(losses))
    lowest = int(smooth.argmin())
    if lowest < 2 or smooth[lowest] > smooth[0] - _LEAST_FALL * abs(smooth[0]):
        return None
    slopes = np.gradient(smooth, np.log(rates))[: lowest + 1]
    return float(f"{rates[int(slopes.argmin())]:.2g}")


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values (N,) smoothed by a triangular window; at the ends by the part of it that is there."""
    window = np.bartlett(2 * _SMOOTHED + 3)[1:-1]
    weights = np.convolve(np.ones_like(values), window, mode="same")
    return np.asarray(np.convolve(values, window, mode="same") / weights)


def _forever(batches: Callable[[], Iterable[Batch | MixedBatch]]) -> Iterator[Batch | MixedBatch]:
    """Yield the batches of one epoch after another."""
    return itertools.chain.from_iterable(batches() for _ in itertools.count())
