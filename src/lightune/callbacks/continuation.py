"""What Lightning forgets when a training goes on: its patience, that it had stopped, that an epoch was over."""

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason

from lightune.private_api.lightning import begin_next_epoch


class Continuation(Callback):
    """Resume early stopping with the patience that is configured; it stays stopped if it had stopped."""

    def __init__(self) -> None:
        super().__init__()
        self._patience: dict[int, int] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note the patience that is configured, before a checkpoint brings its own."""
        self._patience = {
            id(stopping): stopping.patience for stopping in trainer.early_stopping_callbacks if stopping
        }

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the patience right, and stop at once if it was used up before; resume no epoch that is over."""
        begin_next_epoch(trainer)
        for stopping in trainer.early_stopping_callbacks:
            if isinstance(stopping, EarlyStopping):
                stopping.patience = self._patience.get(id(stopping), stopping.patience)
                if stopping.wait_count >= stopping.patience:
                    trainer.should_stop = True
                else:
                    stopping.stopped_epoch = 0
                    stopping.stopping_reason = EarlyStoppingReason.NOT_STOPPED
