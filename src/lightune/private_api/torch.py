"""PyTorch's private names that lightune needs.

The kernels behind `fused=True` have no public name that takes lists of tensors; that nobody watches an optimizer's
step can only be seen where hooks are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental import proxy_tensor
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks
from torch.utils.data import DataLoader

__all__ = [
    "empty_shared",
    "end_workers",
    "fused_kernel",
    "has_triton",
    "increment",
    "interpolate",
    "is_watched",
    "unsafe_view",
    "without_examples",
]

unsafe_view = torch.ops.aten._unsafe_view.default
"""A view that `make_fx` records. For: leaving out views that change nothing. Without it: slower programs."""

increment = torch._foreach_add_
"""Add to many tensors in one call. For: the step counts of kernels. Without it: a call a parameter."""

interpolate = torch._foreach_lerp_
"""Move many tensors towards others in one call. For: averages of weights. Without it: a call a parameter."""


@cache
def fused_kernel(name: str) -> Callable[..., None]:
    """Return the kernel of a fused optimizer: `sgd`, `adam`, `adamw` or `adagrad`.

    For: updates without what `Optimizer.step` asks of profilers and hooks. Without it: 0.1 ms more a step.
    """
    kernel: Callable[..., None] = getattr(torch, f"_fused_{name}_")
    return kernel


def is_watched(optimizer: Optimizer) -> bool:
    """Return True if somebody has a hand in an optimizer's steps; a schedule only notes that there was one.

    For: calling the kernel only where nobody notices. Without it: hooks that users register are not called.
    """
    hooks = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    step = vars(optimizer).get("step")
    follows = getattr(step, "_wrapped_by_lr_sched", False) and getattr(optimizer, "_opt_called", False)
    replaced = step is not None and not follows
    return bool(hooks or _global_optimizer_pre_hooks or _global_optimizer_post_hooks or replaced)


def empty_shared(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a tensor in memory that another process can be given without a copy; its values are not set.

    For: batches that a worker makes where they are taken from. Without it: memory of workers that grows to many
    times that of a batch, for what one thread allocates and another frees is not given back.
    """
    storage = torch.UntypedStorage._new_shared(prod(shape) * dtype.itemsize)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=dtype).set_(storage, 0, tuple(shape))  # type: ignore[call-overload, no-any-return]


def end_workers(loader: DataLoader[Any]) -> None:
    """End the persistent worker processes of a loader; who iterates again starts new ones.

    For: workers that end with their training. Without it: they live on beside those of later ones.
    """
    iterator, loader._iterator = loader._iterator, None
    if iterator is not None:
        iterator._shutdown_workers()  # type: ignore[attr-defined]


@contextmanager
def without_examples() -> Iterator[None]:
    """Let `make_fx` keep no examples of what operations return, which nobody reads here.

    For: writing a program down in a third of the time. Without it (another torch): it takes as long as it takes.
    """
    extract = getattr(proxy_tensor, "extract_val", None)
    if extract is None:
        yield
        return
    proxy_tensor.extract_val = lambda *given, **how: None
    try:
        yield
    finally:
        proxy_tensor.extract_val = extract


def has_triton() -> bool:
    """Return True if Triton is there and knows this GPU, which `torch.compile` needs.

    For: refusing `trainer.compile` before the start. Without it: it fails in the first step.
    """
    from torch.utils._triton import has_triton as has

    return bool(has())
