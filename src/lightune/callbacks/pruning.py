"""Stop a trial that a search has no more hope for."""

from collections.abc import Callable

from pytorch_lightning import Callback, LightningModule, Trainer


class Pruning(Callback):
    """Report the monitored metric after each epoch, and stop the training when the answer says so.

    The last epoch is not judged: what is trained to its end is complete. Of several processes the first has this
    callback; `SharedStop` stops the others.

    Args:
        metric: name of the metric, e.g. `val/accuracy`.
        report: takes the epochs trained, > 0, and the metric; returns whether to stop.
    """

    def __init__(self, metric: str, report: Callable[[int, float], bool]) -> None:
        super().__init__()
        self.metric, self.report = metric, report
        self.pruned = False
        self._is_fresh = not metric.startswith("val/")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that the metric was measured anew."""
        self._is_fresh = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask whether to go on."""
        epochs, current = trainer.current_epoch + 1, trainer.callback_metrics.get(self.metric)
        if current is None or trainer.should_stop or epochs == trainer.max_epochs or not self._is_fresh:
            return
        self._is_fresh = not self.metric.startswith("val/")
        self.pruned = self.report(epochs, float(current))
        trainer.should_stop = self.pruned
