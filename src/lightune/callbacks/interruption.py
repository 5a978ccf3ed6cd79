"""Ctrl-C, SIGTERM and a terminal that is closed: save at the next step, then stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lightune.callbacks.agreement import any_process, may_pause
from lightune.callbacks.checkpoint import BestAndLast
from lightune.errors import StopRequested
from lightune.runtime.signals import hand_to, heard_by, leave_to_others


class Interruption(Callback):
    """Turn a signal into a checkpoint and an orderly end.

    A training stops after the step that it is taking, a validation when it is over. A second signal does not wait:
    the run then goes on from the checkpoint before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: int | None = None
        self._fitting = False
        self._deferred = False

    def defer(self) -> None:
        """From now on only note signals: what is left is to write what came of the run."""
        self._deferred = True

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that was stopped so."""
        return 128 + (self.received or signal.SIGINT)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Listen to the signals meanwhile; a thread that is not the main one cannot.

        One that came too late to stop what ran is left to others.
        """
        leave_to_others(None)
        stopped = False
        try:
            with heard_by(self._take):
                yield
        except (KeyboardInterrupt, SystemExit, StopRequested):
            stopped = True
            raise
        finally:
            leave_to_others(None if stopped else self.received)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals back from Lightning, which handles SIGTERM itself from here on."""
        hand_to(self._take)
        self._fitting = True
        self._stop_if_asked(trainer, save=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after a step, unless gradients are pending or the epoch is about to end."""
        if may_pause(trainer, batch_idx):
            self._stop_if_asked(trainer, save=True)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop between two epochs."""
        self._stop_if_asked(trainer, save=trainer.fit_loop.total_batch_idx >= 0)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the end of a training as it is: there is nothing more to save."""
        self._fitting = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Wait for no step that will not come."""
        self._fitting = False

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Finish what is done meanwhile at a first signal; a second does not wait."""
        self._fitting = True
        try:
            yield
        finally:
            self._fitting = False

    def stop_if_asked(self) -> None:
        """Raise if a signal came while nothing was trained."""
        if self.received is not None:
            raise StopRequested(self.received)

    def _stop_if_asked(self, trainer: Trainer, *, save: bool) -> None:
        if not any_process(trainer, self.received is not None):
            return
        self.received = self.received or signal.SIGTERM
        if save:
            for callback in trainer.checkpoint_callbacks:
                if isinstance(callback, BestAndLast):
                    callback.save_now(trainer)
        raise StopRequested(self.received)

    def _take(self, signum: int, frame: FrameType | None) -> None:
        if self._deferred:
            self.received = signum
        elif self.received is not None or not self._fitting:
            self.received = signum
            raise StopRequested(signum)
        self.received = signum
