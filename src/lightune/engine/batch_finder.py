"""A batch size, found by trying: the largest whose training step fits into memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn

from lightune.data.loader import Batch, MixedBatch
from lightune.data.placement import free_bytes
from lightune.engine.trial_steps import TrialSteps, own_random_numbers
from lightune.tasks import SupervisedTask

__all__ = ["BatchSearch", "find_batch_size"]

_SHARE_OF_GPU, _SHARE_OF_MAIN = 0.9, 0.5  # of the free memory; the main memory is used by others, too
_COPIES = 4  # of the weights: themselves, their gradients, and two moments of an optimizer
_FACTOR = 2


@dataclass(frozen=True)
class BatchSearch:
    """What was tried of batch sizes.

    Args:
        sizes: samples a batch that were tried, each in one training step.
        bytes: memory of each step.
        limit: bytes that a step may take.
        found: the largest size that fits.
        why: why it is not larger, in words.
    """

    sizes: list[int]
    bytes: list[int]
    limit: int
    found: int
    why: str


def find_batch_size(
    task: SupervisedTask,
    batches: Callable[[int], Iterable[Batch | MixedBatch]],
    trainer: Trainer,
    *,
    start: int,
    seed: int,
    refusal: Callable[[int], str | None] = lambda size: None,
    free: Callable[[torch.device], int] = free_bytes,
    pause: Callable[[], None] = lambda: None,
) -> BatchSearch:
    """Double a batch size as long as a training step of it fits; halve it where not even the first does.

    On a GPU a step fits that takes at most 0.9 of the free memory. In main memory, where a step that does not fit
    ends the process, it is half of it, and what a step takes is counted: what is kept for the gradients, the
    inputs, and the weights four times; twice the size is tried if twice as much would fit.

    Args:
        task: with fresh weights; neither it nor random numbers that are drawn later are changed.
        batches: returns the training batches of an epoch, for a size.
        trainer: which knows the device and the precision.
        start: the size that is tried first, > 0.
        seed: of what the steps draw.
        refusal: returns why a size cannot be, in words; None if it can.
        free: returns the free memory of a device in bytes.
        pause: called before each step; it may raise.

    Raises:
        ValueError: if no batch fits.
    """
    device = trainer.strategy.root_device
    fixed = 0 if device.type == "cuda" else _COPIES * _bytes_of_weights(task)
    limit = int(free(device) * (_SHARE_OF_GPU if device.type == "cuda" else _SHARE_OF_MAIN))
    tried: dict[int, int] = {}

    def fits(size: int) -> bool:
        pause()
        batch = next(iter(batches(size)))
        try:
            tried[size] = _bytes_of_step(TrialSteps(task, trainer), batch, device)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return False
        return tried[size] <= limit

    def why_not(size: int) -> str | None:
        """Return why a size that is larger than one that fits cannot be."""
        if reason := refusal(size):
            return reason
        expected = fixed + _FACTOR * (tried[size // _FACTOR] - fixed)
        may_be_tried = device.type == "cuda" or expected <= limit
        return None if may_be_tried and fits(size) else "does not fit into memory"

    with own_random_numbers(seed):
        size = start
        while not fits(size):
            if size == 1:
                raise ValueError(f"not even one sample fits into memory: {limit / 1e6:,.1f} MB may be used")
            size = max(1, size // _FACTOR)
        why: str | None = "does not fit into memory"
        if size == start:
            while (why := why_not(size * _FACTOR)) is None:
                size *= _FACTOR
    sizes = sorted(tried)
    return BatchSearch(sizes, [tried[each] for each in sizes], limit, size, f"{size * _FACTOR} {why}")


def _bytes_of_step(steps: TrialSteps, batch: Batch | MixedBatch, device: torch.device) -> int:
    """Return how much memory a training step takes at most: measured on a GPU, else counted."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        steps.step(batch)
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    counted = {each.untyped_storage().data_ptr() for each in (*steps.task.parameters(), *batch)}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in counted:
            kept[place] = max(kept.get(place, 0), tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        steps.step(batch)
    return sum(kept.values()) + sum(part.nbytes for part in batch) + _COPIES * _bytes_of_weights(steps.task)


def _bytes_of_weights(task: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in task.parameters())
