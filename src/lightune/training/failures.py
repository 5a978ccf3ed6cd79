"""What to say of a training that failed: what happened, and what to try."""

import torch

from lightune.errors import memory_asked, reason_of
from lightune.runtime.disk import FULL, READ_ONLY

__all__ = ["explain"]

_MEMORY = "try a smaller data.batch_size with trainer.accumulate_grad_batches, or trainer.precision=bf16-mixed"
_DISK = "free some space, then go on with resume=RUN"
_READ_ONLY = "let it be written to, then go on with resume=RUN"


def explain(error: BaseException) -> str:
    """Return one line about an error; where memory or disk ran out, with what was asked for and what to try."""
    said = reason_of(error)
    if is_out_of_memory(error):
        return f"out of memory: {said.rstrip('.') or 'Python could not have more'}; {_MEMORY}"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"the disk is full: {said}; {_DISK}"
    if isinstance(error, OSError) and error.errno in READ_ONLY:
        return f"the disk is read-only: {said}; {_READ_ONLY}"
    return said


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that host or device memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return memory_asked(error) is not None
