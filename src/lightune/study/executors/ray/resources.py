"""What a trial needs on a cluster, and how many of them there is room for.

This module must not import Ray.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightune.errors import ConfigError, Problem
from lightune.study.definition.settings import Settings

__all__ = ["needs_of", "room_for"]


def needs_of(settings: Settings, config: DictConfig, remote: Mapping[str, Any], *, gpus: bool) -> dict[str, float]:
    """Return what a trial needs, by Ray's names of resources.

    Args:
        settings: how many GPUs a trial has, or how many trials a GPU.
        config: of the multirun; a trainer on the CPU leaves the GPUs alone.
        remote: options of the actor, which win.
        gpus: whether the cluster has any.

    Raises:
        ConfigError: if a trial is to have several GPUs and to share them.
    """
    if settings.gpus_per_job > 1 and settings.jobs_per_gpu > 1:
        rule = "must be 1 where a trial has several GPUs"
        raise ConfigError(
            [Problem(settings.vocabulary.key("jobs_per_gpu"), f"{rule}, got {settings.jobs_per_gpu}")]
        )
    accelerator = OmegaConf.select(config, "trainer.accelerator")
    on_gpu = accelerator in ("gpu", "cuda") or (gpus and accelerator != "cpu")
    needs = {"CPU": float(remote.get("num_cpus", 1))}
    needs["GPU"] = float(remote.get("num_gpus", settings.gpus_per_job / settings.jobs_per_gpu if on_gpu else 0))
    needs.update({str(name): float(amount) for name, amount in (remote.get("resources") or {}).items()})
    return {name: amount for name, amount in needs.items() if amount > 0}


def room_for(needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials fit on a cluster at the same time.

    Args:
        needs: of one trial.
        nodes: resources of each node.
    """
    return sum(
        int(min((node.get(name, 0.0) / amount + 1e-9 for name, amount in needs.items()), default=0))
        for node in nodes
    )
