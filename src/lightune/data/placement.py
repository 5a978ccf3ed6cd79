"""Where the samples of a training are placed, and why there."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

__all__ = ["Placement", "free_bytes", "place"]

Placement = Literal["auto", "device", "host", "stream"]

_MEMORY = Path("/proc/meminfo")
_SHARE = 0.5  # of the memory that is free: activations, the optimizer and others need some


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    for line in _MEMORY.read_text().splitlines() if _MEMORY.is_file() else []:
        if line.startswith("MemAvailable:"):  # caches, which the system gives up, included
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def place(
    wanted: Placement,
    scaled_bytes: int,
    device: torch.device,
    *,
    free: Callable[[torch.device], int] = free_bytes,
) -> tuple[Placement, str]:
    """Decide where samples are placed.

    Args:
        wanted: what the configuration says.
        scaled_bytes: of all samples as float32, which is how they are served.
        device: where they are computed on.
        free: returns the free memory of a device in bytes.

    Returns:
        `device`: all of them scaled, where they are computed on; `host`: all of them scaled, in main memory;
        `stream`: as they were read, scaled batch by batch. And the reason in one line.
    """
    if wanted != "auto":
        return wanted, "as data.placement says"
    size = f"{scaled_bytes / 1e6:,.1f} MB of samples"
    if device.type != "cpu" and scaled_bytes <= (bound := free(device) * _SHARE):
        return "device", f"{size} are within half of what is free on {device} ({bound / 1e6:,.0f} MB)"
    if scaled_bytes <= (bound := free(torch.device("cpu")) * _SHARE):
        where: Placement = "device" if device.type == "cpu" else "host"
        return where, f"{size} are within half of the free main memory ({bound / 1e6:,.0f} MB)"
    return "stream", f"{size} are past half of the free main memory ({bound / 1e6:,.0f} MB)"
