"""The state of every random number generator, kept with a checkpoint and taken up from it."""

import random
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

_KEY = "random_state"


class Randomness(Callback):
    """Let a training that goes on from a checkpoint draw the numbers that it would have drawn."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the states into a checkpoint, as plain values."""
        version, numbers, gauss = random.getstate()
        state: Any = np.random.get_state()
        name, keys, position, has_gauss, cached = state
        checkpoint[_KEY] = {
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

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the states of a checkpoint until training begins: setting up draws numbers too."""
        self._kept = checkpoint.get(_KEY)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the states that were kept."""
        if self._kept is None:
            return
        version, numbers, gauss = self._kept["python"]
        random.setstate((version, tuple(numbers), gauss))
        name, keys, position, has_gauss, cached = self._kept["numpy"]
        np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
        torch.set_rng_state(self._kept["torch"])
        if self._kept["cuda"] and len(self._kept["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(self._kept["cuda"])
        self._kept = None
