"""Variables of the environment that change the last digits of results: which path a library computes by.

This module must not import torch or Lightning, which read them once.
"""

import os
import re
import sys
from collections.abc import Mapping

__all__ = ["PORTABLE", "VARIABLES", "make_portable", "not_portable", "set_variables"]

VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_DYNAMIC",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Variables of the environment that change results in their last digits; all are read when torch is imported."""

PORTABLE = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
"""Variables by which torch, oneDNN and MKL compute alike on x86-64 processors that have AVX2, and maybe more.

Together with a fixed number of threads, they are reported to give equal bits on four models (FastSurfer, pull
request 892).
"""
_THREADS = "OMP_NUM_THREADS"

_VALUE = re.compile(r"[\w.,:=+-]{1,64}", re.ASCII)


def make_portable(asked: object) -> None:
    """Set `PORTABLE`, and one thread unless `OMP_NUM_THREADS` says how many; nothing where torch has read them.

    Args:
        asked: what `trainer.portable` says; True if it is to be done.
    """
    if asked is True and "torch" not in sys.modules:
        os.environ.update(PORTABLE)
        os.environ.setdefault(_THREADS, "1")


def not_portable() -> dict[str, str]:
    """Return name → value of what `make_portable` would set, as far as it is not set."""
    wanted = {**PORTABLE, _THREADS: os.environ.get(_THREADS) or "1"}
    return {name: value for name, value in wanted.items() if os.environ.get(name) != value}


def set_variables(wanted: Mapping[str, object]) -> bool:
    """Set those of `VARIABLES` as they are wanted, and take the others away; tell whether that was possible.

    It is not where torch has been imported, and has read them; nothing is changed then.

    Args:
        wanted: name → value; other names, and what can be no value of these, are passed over.
    """
    if "torch" in sys.modules:
        return False
    for name in VARIABLES:
        value = wanted.get(name)
        if isinstance(value, str) and _VALUE.fullmatch(value):
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
    return True
