"""Which devices each slot has: GPUs, shares of one, several of them, or sets of processors.

This module must not import Optuna, torch or Lightning.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lightune.errors import ConfigError, Problem
from lightune.study.definition.settings import Settings
from lightune.study.executors.local.worker_handle import Slot

__all__ = ["is_whole", "make_slots", "visible_gpus"]

_GPU_FOLDER = Path("/proc/driver/nvidia/gpus")
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get(_VISIBLE)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() and name.strip() != "-1"]
    try:
        return [str(index) for index, _ in enumerate(_GPU_FOLDER.iterdir())]
    except OSError:
        return []


def _has_driver() -> bool:
    """Return True if there may be a GPU: of NVIDIA, of AMD, or that of a Windows around this Linux."""
    return any(place.exists() for place in (_GPU_FOLDER, *_DRIVERS))


def make_slots(settings: Settings, config: DictConfig) -> list[Slot]:
    """Divide the machine among the trials that run at the same time.

    Args:
        settings: how many trials, and how many GPUs for each.
        config: of the multirun; a trainer on the CPU leaves the GPUs alone.

    Raises:
        ConfigError: if more GPUs are asked for than there are, or one where there is none.
    """
    accelerator = OmegaConf.select(config, "trainer.accelerator")
    gpus = [] if accelerator == "cpu" else visible_gpus()
    if not gpus and accelerator in ("gpu", "cuda") and sys.platform == "linux" and not _has_driver():
        rule = f"there is no GPU on this machine; choose trainer=cpu or trainer=auto, got {accelerator}"
        raise ConfigError([Problem("trainer.accelerator", rule)])  # else every trial would fail
    if not gpus:
        return _cpu_slots(settings.n_jobs or 1)
    if settings.gpus_per_job > len(gpus):
        rule = f"must be <= {len(gpus)}, the GPUs of this machine"
        raise ConfigError(
            [Problem(settings.vocabulary.key("gpus_per_job"), f"{rule}, got {settings.gpus_per_job}")]
        )
    if settings.gpus_per_job > 1 and settings.jobs_per_gpu > 1:
        rule = "must be 1 where a trial has several GPUs"
        raise ConfigError(
            [Problem(settings.vocabulary.key("jobs_per_gpu"), f"{rule}, got {settings.jobs_per_gpu}")]
        )
    width = settings.gpus_per_job
    sets = [gpus[start : start + width] for start in range(0, len(gpus) - width + 1, width)]
    places = [",".join(names) for names in sets] * settings.jobs_per_gpu
    count = settings.n_jobs or len(places)
    if count > len(places):
        rule = f"must be <= {len(places)} with {len(gpus)} GPUs, {width} of them for each trial"
        hint = f"raise {settings.vocabulary.key('jobs_per_gpu')} to share them"
        raise ConfigError([Problem(settings.vocabulary.key("n_jobs"), f"{rule}, got {count}; {hint}")])
    return [Slot({_VISIBLE: place}) for place in places[:count]]


def is_whole(slots: Sequence[Slot]) -> bool:
    """Return True if one trial has the whole machine, so that it may as well run in this process."""
    return len(slots) == 1 and slots[0].environment.get(_VISIBLE) in (None, ",".join(visible_gpus()))


def _cpu_slots(count: int) -> list[Slot]:
    """Give each slot processors of its own, as far as there are enough."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if count == 1 or len(available) < count:
        environment = {} if count == 1 else {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        return [Slot(dict(environment)) for _ in range(count)]
    width = len(available) // count
    threads = os.environ.get("OMP_NUM_THREADS", str(width))
    sets = [tuple(available[index * width : (index + 1) * width]) for index in range(count)]
    return [Slot({"OMP_NUM_THREADS": threads}, cpus) for cpus in sets]
