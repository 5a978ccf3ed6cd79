"""Torch's fused optimizers: one kernel for all parameters, where a loop over them costs more than the network."""

from collections.abc import Callable, Iterable
from functools import partial

from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

OptimizerFactory = Callable[[Iterable[Tensor]], Optimizer]

_HAVE_A_FUSED_FORM = (SGD, Adam, AdamW)  # on a CPU and on GPUs
_SAID_OTHERWISE = ("fused", "foreach", "capturable", "differentiable")


def fused(factory: OptimizerFactory) -> OptimizerFactory:
    """Return a factory of the same optimizer in its fused form, if it has one and nobody said how to compute it.

    The numbers are those of the plain form up to rounding.

    Args:
        factory: a `functools.partial` of an optimizer's class, or any other, which is returned as it is.
    """
    if not isinstance(factory, partial) or factory.func not in _HAVE_A_FUSED_FORM:
        return factory
    if any(factory.keywords.get(name) is not None for name in _SAID_OTHERWISE):
        return factory
    return partial(factory.func, *factory.args, **{**factory.keywords, "fused": True})
