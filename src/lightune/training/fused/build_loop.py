"""The fused loop as a configuration asks for it."""

from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import DictConfig

from lightune.engine.fused.loop import Computation, FusedLoop, LoopHooks
from lightune.engine.fused.member import Member
from lightune.engine.fused.program import Recorded

__all__ = ["build_loop", "device_of"]


def device_of(cfg: DictConfig) -> str:
    """Return where a group is trained: `cuda` if the trainer may and there is one, else `cpu`."""
    wanted = cfg.trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")
    return "cuda" if wanted and torch.cuda.is_available() else "cpu"


def build_loop(
    cfg: DictConfig, members: Sequence[Member], *, device: str, recorded: Recorded | None = None, **hooks: Any
) -> FusedLoop:
    """Build the loop of some members.

    Args:
        cfg: of one of them.
        members: at least one.
        device: `cpu` or `cuda`.
        recorded: programs that were recorded for members of this structure before; it is added to.
        hooks: what `LoopHooks` takes.
    """
    double = str(cfg.trainer.get("precision", "auto")).startswith("64")
    return FusedLoop(
        members,
        max_epochs=cfg.trainer.max_epochs,
        hooks=LoopHooks(**hooks),
        computation=Computation(torch.float64 if double else torch.float32, device),
        recorded=recorded,
    )
