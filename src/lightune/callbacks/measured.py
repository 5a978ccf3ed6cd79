"""The weights that a validation measures, where something may change them before they are saved."""

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, Timer
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

__all__ = ["MeasuredWeights", "validates_within_epochs"]

_UNTIL_SAVED = (
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_validation_model_train",
    "on_train_epoch_end",
    "on_train_epoch_start",
    "on_train_end",
    "on_save_checkpoint",
)
_LEAVE_WEIGHTS = (EarlyStopping, LearningRateMonitor, ModelCheckpoint, Timer)


class MeasuredWeights(Callback):
    """Copy the weights when a validation has seen its last batch.

    It must be the first of the callbacks: an average of weights is often put in their place for a validation only.

    Attributes:
        weights: those that the last validation measured, by name; None where nothing changes them until they are
            saved.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: dict[str, Tensor] | None = None
        self._copies = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look once at what could change them."""
        self.weights, self._copies = None, _may_change(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy them, before anything else is done at the end of a validation."""
        if self._copies and not trainer.sanity_checking:
            weights = trainer.strategy.lightning_module_state_dict()
            self.weights = {name: value.detach().clone() for name, value in weights.items()}


def validates_within_epochs(trainer: Trainer) -> bool:
    """Return True if an epoch may go on after a validation."""
    interval = trainer.val_check_interval  # 1.0 is an epoch, 1 is a batch
    return interval != 1.0 or isinstance(interval, int) or trainer.check_val_every_n_epoch is None


def _may_change(trainer: Trainer, module: LightningModule) -> bool:
    """Return True if weights may be others when they are saved than when they were measured."""
    if validates_within_epochs(trainer):
        return True
    parts: list[tuple[object, type]] = [(module, LightningModule)]
    parts += [(each, Callback) for each in trainer.callbacks]  # type: ignore[attr-defined]
    return any(
        is_overridden(hook, part, parent)
        for part, parent in parts
        if type(part) not in _LEAVE_WEIGHTS and not type(part).__module__.startswith("lightune.")
        for hook in _UNTIL_SAVED
        if hasattr(parent, hook)
    )
