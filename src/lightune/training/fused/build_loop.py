"""The fused loop as a configuration asks for it."""

from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import DictConfig

from lightune.engine.fused.loop import FusedLoop, Member

__all__ = ["device_of", "loop_of"]


def device_of(cfg: DictConfig) -> str:
    """Return where a group is trained: `cuda` if the trainer may and there is one, else `cpu`."""
    wanted = cfg.trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")
    return "cuda" if wanted and torch.cuda.is_available() else "cpu"


def loop_of(cfg: DictConfig, members: Sequence[Member], *, device: str, **hooks: Any) -> FusedLoop:
    """Make the loop of some members, whose best weights are kept in the folder of each.

    Args:
        cfg: of one of them.
        members: at least one.
        device: `cpu` or `cuda`.
        hooks: what else `FusedLoop` takes.
    """
    double = str(cfg.trainer.get("precision", "auto")).startswith("64")
    return FusedLoop(
        members,
        max_epochs=cfg.trainer.max_epochs,
        monitor=cfg.monitor.metric,
        mode=cfg.monitor.mode,
        dtype=torch.float64 if double else torch.float32,
        device=device,
        keeps_best=False,
        **hooks,
    )
