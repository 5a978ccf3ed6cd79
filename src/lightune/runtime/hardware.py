"""What a device can do, and how a network is made ready for it."""

import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

__all__ = [
    "CompileMode",
    "compiled",
    "in_channels_last",
    "matmul_precision",
    "resolved_precision",
    "use_matmul_precision",
    "why_not_compiled",
]

CompileMode = Literal["none", "default", "reduce-overhead", "max-autotune"]

_CONVOLUTIONS_OF_IMAGES = (nn.Conv2d, nn.ConvTranspose2d)


def resolved_precision(wanted: Any, *, on_cuda: bool, has_bf16: bool) -> Any:
    """Return what `trainer.precision` means: `auto` is bf16-mixed on a GPU that computes in it, else 32-true.

    Args:
        wanted: what the configuration says.
        on_cuda: whether the device is an NVIDIA GPU.
        has_bf16: whether that computes in bfloat16, and does not only emulate it.
    """
    if wanted != "auto":
        return wanted
    return "bf16-mixed" if on_cuda and has_bf16 else "32-true"


def matmul_precision(device_type: str, *, deterministic: bool) -> Literal["high", "highest"] | None:
    """Return how precisely float32 matrices are multiplied; None leaves it as it is.

    `high` is TF32 on a GPU that has it: 10 bits of the mantissa instead of 23, in a fraction of the time. A run
    that is asked to be deterministic multiplies in full, so that other devices can come to the same.

    Args:
        device_type: where they are multiplied, e.g. `cuda`.
        deterministic: whether the run is asked to be.
    """
    if device_type != "cuda":
        return None
    return "highest" if deterministic else "high"


def use_matmul_precision(device_type: str, *, deterministic: bool) -> None:
    """Let this process multiply float32 matrices as a run on this device wants it."""
    if precision := matmul_precision(device_type, deterministic=deterministic):
        torch.set_float32_matmul_precision(precision)


def in_channels_last(model: nn.Module, device_type: str) -> bool:
    """Lay the weights of image convolutions out as a GPU's kernels want them; tell whether that was done.

    A convolution takes the layout of its weights, so that inputs need no change. The numbers are the same.

    Args:
        model: changed in place.
        device_type: where it will be computed, e.g. `cuda`.
    """
    if device_type != "cuda" or not any(isinstance(part, _CONVOLUTIONS_OF_IMAGES) for part in model.modules()):
        return False
    model.to(memory_format=torch.channels_last)
    return True


def why_not_compiled(device_type: str) -> str | None:
    """Say in one line why `torch.compile` cannot make code for a device here; None if it can.

    Args:
        device_type: `cpu` or `cuda`.
    """
    compiler = os.environ.get("CXX", "g++") if device_type == "cpu" else os.environ.get("CC", "gcc")
    if shutil.which(compiler) is None and not (device_type != "cpu" and shutil.which("clang")):
        return f"needs a compiler, and {compiler} is not there; install it, or choose none"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return "needs the headers of Python (Python.h), which are not there; install them, or choose none"
    if device_type == "cuda":
        from lightune.private_api.torch import has_triton

        if not has_triton():
            return "needs Triton, which is not there or does not know this GPU; choose none"
    return None


def compiled(model: nn.Module, mode: CompileMode) -> None:
    """Let a network compile itself when it is first called; its parameters keep their names.

    The optimizer stays outside, with its learning rate: a schedule compiles nothing anew.

    Args:
        model: changed in place.
        mode: as `torch.compile` has it; `none` does nothing.
    """
    if mode != "none":
        model.compile(mode=mode)
