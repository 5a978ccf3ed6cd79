"""Keep what a task predicts for the test part, and for the validation part at its best epoch."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from lightune.callbacks.best import Best
from lightune.data.loader import TensorLoader
from lightune.data.wrapped import WrappedLoader


class TestPredictions(Callback):
    """Gather the predictions that a `test_step` returns, and their targets.

    These are class probabilities (B, C), or values (B,) or (B, T), of a batch (input, target); or a mapping with
    them as `preds` and with `target`, whatever the batch is.

    Args:
        checks: whether they are judged first: a task of one's own may return its loss, or anything.

    Attributes:
        lacking: what is wrong with what the step returns, in words; empty if nothing is.
    """

    __test__ = False  # no test of pytest

    def __init__(self, *, checks: bool = False) -> None:
        super().__init__()
        self.lacking = ""
        self._checks = checks
        self._predicted: list[Tensor] = []
        self._targets: list[Tensor] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start over."""
        self._predicted, self._targets, self.lacking = [], [], ""

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
        self._add(outputs, batch)

    def _add(self, outputs: Any, batch: Any) -> None:
        predicted, target = _told(outputs, batch)
        if self._checks and not self.lacking:
            self.lacking = _lacking(predicted, target)
            if not self.lacking:
                predicted = predicted.reshape(len(target), -1)
                target = target.reshape(len(target), -1) if target.is_floating_point() else target
                if self._predicted and self._predicted[0].shape[1:] != predicted.shape[1:]:
                    self.lacking = "returns other widths for other batches"
        if self.lacking:
            self._predicted, self._targets = [], []
        elif isinstance(predicted, Tensor) and isinstance(target, Tensor):
            self._predicted.append(predicted.detach().float().cpu())
            self._targets.append(target.detach().cpu())

    def of_all(self, trainer: Trainer) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return what all processes predicted, in the order of the test part; None if nothing was.

        Args:
            trainer: the one that tested.

        Returns:
            Places in the test part (N,) int64, predictions (N, K) float32, and targets (N,) or (N, K).
        """
        if not self._predicted:
            return None
        return _of_all(trainer, self._loader(trainer), torch.cat(self._predicted), torch.cat(self._targets))

    def _loader(self, trainer: Trainer) -> Any:
        return trainer.test_dataloaders


class ValidationStepPredictions(TestPredictions):
    """Gather the predictions that a `validation_step` returns, and their targets, as of a test."""

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start over."""
        self.on_test_start(trainer, pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch."""
        self._add(outputs, batch)

    def _loader(self, trainer: Trainer) -> Any:
        return trainer.val_dataloaders


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


def untold(task: LightningModule, stage: str, lacking: str) -> str:
    """Return in a sentence what a step of a task does not tell, and what it could return.

    Args:
        task: of one's own.
        stage: `test` or `validation`.
        lacking: what is wrong, as `TestPredictions.lacking` says.
    """
    wanted = "class probabilities (B, C) or values (B, T) of a batch (input, target)"
    step = f"{type(task).__name__}.{stage}_step"
    return f"{step} {lacking}; to have them, return {wanted}, or a mapping of preds and target"


def _told(outputs: Any, batch: Any) -> tuple[Any, Any]:
    """Return what a step says that it predicted, and the targets."""
    if isinstance(outputs, Mapping):
        return outputs.get("preds"), outputs.get("target")
    return outputs, batch[1] if isinstance(batch, tuple | list) and len(batch) == 2 else None


def _lacking(predicted: Any, target: Any) -> str:
    """Return what is wrong with predictions and targets of a batch, in words; nothing if they are sound."""
    if not isinstance(predicted, Tensor):
        return "returns no predictions"
    if not predicted.ndim:
        return "returns one number, as a loss is, and no predictions"
    if not isinstance(target, Tensor):
        return "is given batches that are no pairs (input, target)"
    if target.ndim not in (1, 2) or len(predicted) != len(target):
        return f"returns {tuple(predicted.shape)} for targets {tuple(target.shape)}"
    if target.is_floating_point():
        of_one = predicted.numel() == target.numel() == len(target)
        return "" if of_one or predicted.shape == target.shape else f"returns {tuple(predicted.shape)} for values"
    if target.ndim != 1 or predicted.ndim != 2 or not predicted.is_floating_point():
        return f"returns {tuple(predicted.shape)} for classes, and no probabilities (B, C)"
    inside = bool(((predicted >= 0) & (predicted <= 1)).all())
    return "" if inside else "returns numbers that are no probabilities: take the softmax of outputs"


def _of_all(trainer: Trainer, loader: Any, predicted: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    knows_places = isinstance(loader, TensorLoader | WrappedLoader)
    places = loader.served()[: len(targets)] if knows_places else torch.arange(len(targets))
    parts = [places, predicted, targets]
    if trainer.world_size > 1:
        device = trainer.strategy.root_device
        parts = [torch.cat(gather_all_tensors(part.to(device))).cpu() for part in parts]
    order = parts[0].argsort()
    return parts[0][order], parts[1][order], parts[2][order]
