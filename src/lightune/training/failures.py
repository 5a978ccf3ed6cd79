"""What to say of a training that failed: what happened, and what to try."""

import errno

import torch

__all__ = ["explain"]

_MEMORY = "try a smaller data.batch_size with trainer.accumulate_grad_batches, or trainer.precision=bf16-mixed"
_DISK = "free some space, then go on with resume=RUN"


def explain(error: BaseException) -> str:
    """Return one line about an error; where memory or disk ran out, with what was asked for and what to try."""
    said = " ".join(str(error).split())
    if is_out_of_memory(error):
        return f"out of memory: {said.rstrip('.') or 'Python could not have more'}; {_MEMORY}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {said}; {_DISK}"
    return said


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that host or device memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
