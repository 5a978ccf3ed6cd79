"""The state of every random number generator, saved in a checkpoint and restored from it."""

import random
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

RANDOM_STATE = "random_state"
"""Where a checkpoint keeps the states: one for each process."""


class Randomness(Callback):
    """Make a training that resumes from a checkpoint draw the numbers that it would have drawn."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[dict[str, Any]] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the states of every process into a checkpoint, as plain values."""
        states: list[dict[str, Any]] = [_states()]
        if trainer.world_size > 1:
            states = states * trainer.world_size
            torch.distributed.all_gather_object(states, _states())
        checkpoint[RANDOM_STATE] = states

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the states of a checkpoint until training begins: setting up draws numbers too."""
        self._kept = checkpoint.get(RANDOM_STATE)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the states that were kept; with another number of processes, the seed must do."""
        if self._kept is not None and len(self._kept) == trainer.world_size:
            _restore(self._kept[trainer.global_rank])
        self._kept = None


def _states() -> dict[str, Any]:
    version, numbers, gauss = random.getstate()
    state: Any = np.random.get_state()
    name, keys, position, has_gauss, cached = state
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [
            str(name),
            torch.from_numpy(keys.astype(np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore(states: dict[str, Any]) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
