"""What Lightning forgets when a training goes on: patience, length, that it had stopped or an epoch was over."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason

from lightune.optim import resume_scheduler
from lightune.private_api.lightning import begin_next_epoch


class Continuation(Callback):
    """Resume early stopping with the patience that is configured, and schedules for the length that is.

    What had stopped stays stopped.
    """

    def __init__(self) -> None:
        super().__init__()
        self._patience: dict[int, int] = {}
        self._schedules: list[dict[str, Any]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note the patience that is configured, before a checkpoint brings its own."""
        self._patience = {
            id(stopping): stopping.patience for stopping in trainer.early_stopping_callbacks if stopping
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take the states of the schedulers, which Lightning would load with the arguments of then."""
        self._schedules = checkpoint.get("lr_schedulers", [])
        checkpoint["lr_schedulers"] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put schedules and patience right, and stop at once if it was used up; resume no epoch that is over."""
        configs = trainer.lr_scheduler_configs
        states = self._schedules[
            : len(configs)
        ]  # an average of weights adds one later, whose state it keeps itself
        for config, state in zip(configs, states, strict=bool(states)):
            resume_scheduler(config.scheduler, state)
        self._schedules = []
        begin_next_epoch(trainer)
        for stopping in trainer.early_stopping_callbacks:
            if isinstance(stopping, EarlyStopping):
                stopping.patience = self._patience.get(id(stopping), stopping.patience)
                if stopping.wait_count >= stopping.patience:
                    trainer.should_stop = True
                else:
                    stopping.stopped_epoch = 0
                    stopping.stopping_reason = EarlyStoppingReason.NOT_STOPPED
