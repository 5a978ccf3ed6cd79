"""Keep what a task predicts for the test part, and for the validation part at its best epoch."""

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from lightune.callbacks.best import Best
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
        """Start over."""
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
        """Add a batch."""
        if isinstance(outputs, Tensor) and isinstance(batch, tuple | list) and len(batch) == 2:
            self._predicted.append(outputs.detach().float().cpu())
            self._targets.append(batch[1].detach().cpu())

    def of_all(self, trainer: Trainer) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return what all processes predicted, in the order of the test part; None if nothing was.

        Args:
            trainer: the one that tested.

        Returns:
            Places in the test part (N,) int64, predictions (N, K) float32, and targets (N,) or (N, K).
        """
        if not self._predicted:
            return None
        return _of_all(trainer, trainer.test_dataloaders, torch.cat(self._predicted), torch.cat(self._targets))


class ValidationPredictions(Callback):
    """Keep what was predicted for the validation part when the monitored metric was the best so far.

    Args:
        best: the best so far; who judges it stands before this callback.

    Attributes:
        source: returns the predictions (N, K) and targets (N, …) of the last validation; None where nothing does.
        kept: those of the best epoch, in main memory; None where it was none of this process's epochs.
    """

    def __init__(self, best: Best) -> None:
        super().__init__()
        self.source: Callable[[], tuple[Tensor, Tensor] | None] | None = None
        self.kept: tuple[Tensor, Tensor] | None = None
        self._best, self._seen = best, (best.value, best.epoch)

    @property
    def is_of_best(self) -> bool:
        """Whether what is kept is of the best epoch, also if that was put back to an earlier one meanwhile."""
        return self.kept is not None and self._seen == (self._best.value, self._best.epoch)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the best of the part of the training that came before."""
        self._seen = self._best.value, self._best.epoch

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what was predicted, if that was the best."""
        self._look()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what was predicted in the epoch, if that was the best."""
        self._look()

    def keep(self, validated: tuple[Tensor, Tensor] | None) -> None:
        """Keep copies of predictions (N, K) and targets (N, …) in main memory."""
        self.kept = None
        if validated is not None:
            predicted, targets = (each.detach().to("cpu", copy=True) for each in validated)
            self.kept = predicted.float(), targets.float() if targets.is_floating_point() else targets

    def of_all(self, trainer: Trainer) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return what all processes predicted, in the order of the validation part; None if none keeps it.

        Args:
            trainer: the one that trained.

        Returns:
            Places in the part (N,) int64, predictions (N, K) float32, and targets (N,) or (N, K).
        """
        return None if self.kept is None else _of_all(trainer, trainer.val_dataloaders, *self.kept)

    def _look(self) -> None:
        now = self._best.value, self._best.epoch
        if now == self._seen or self.source is None:
            return
        self._seen = now
        self.keep(self.source())


def _of_all(trainer: Trainer, loader: Any, predicted: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    knows_places = isinstance(loader, TensorLoader | WrappedLoader)
    places = loader.served()[: len(targets)] if knows_places else torch.arange(len(targets))
    parts = [places, predicted, targets]
    if trainer.world_size > 1:
        device = trainer.strategy.root_device
        parts = [torch.cat(gather_all_tensors(part.to(device))).cpu() for part in parts]
    order = parts[0].argsort()
    return parts[0][order], parts[1][order], parts[2][order]
