"""Keep what a task predicts for the test part."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from lightune.data.loader import TensorLoader
from lightune.data.wrapped import WrappedLoader


class TestPredictions(Callback):
    """Gather the predictions that a `test_step` returns, and their targets."""

    __test__ = False  # no test of pytest

    def __init__(self) -> None:
        super().__init__()
        self._predicted: list[Tensor] = []
        self._targets: list[Tensor] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._predicted, self._targets = [], []

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take in a batch."""
        if isinstance(outputs, Tensor) and isinstance(batch, tuple | list) and len(batch) == 2:
            self._predicted.append(outputs.detach().float().cpu())
            self._targets.append(batch[1].detach().cpu())

    def of_all(self, trainer: Trainer) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return what all processes predicted, in the order of the test part; None if nothing was.

        Args:
            trainer: the one that tested, on a `TensorLoader`.

        Returns:
            Places in the test part (N,) int64, predictions (N, K) float32, and targets (N,) or (N, K).
        """
        if not self._predicted:
            return None
        loader = trainer.test_dataloaders
        assert isinstance(loader, TensorLoader | WrappedLoader)
        served = loader.served()[: sum(map(len, self._targets))]
        parts = [served, torch.cat(self._predicted), torch.cat(self._targets)]
        if trainer.world_size > 1:
            device = trainer.strategy.root_device
            parts = [torch.cat(gather_all_tensors(part.to(device))).cpu() for part in parts]
        order = parts[0].argsort()
        return parts[0][order], parts[1][order], parts[2][order]
