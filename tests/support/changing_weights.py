"""Tasks that step in ways of their own, and callbacks that change the weights: who names them trusts this module.

`TASKS` and `CALLBACKS` have the overrides for each by name.
"""

import copy

import torch
from pytorch_lightning import Callback, LightningModule
from torch import nn


class Counted(LightningModule):
    """Count epochs, or batches, in a weight by optimizers that Lightning does not count; the score is best at one.

    Args:
        best_at: epoch or batch with the best score, from 1.
        steps: `raw`, by Lightning's optimizer unwrapped; `own`, by one that it does not know; `none`, without one;
            `lists`, by two that it counts.
        counts: `epochs` or `batches`.
    """

    def __init__(self, best_at: int = 2, steps: str = "raw", counts: str = "epochs"):
        super().__init__()
        self.automatic_optimization = False
        self.count, self.other = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.best_at, self.steps, self.counts = best_at, steps, counts

    def training_step(self, batch, batch_idx):
        if batch_idx > 0 and self.counts == "epochs":
            return
        if self.steps == "none":
            self.count.data += 1
            return
        optimizers = {
            "raw": lambda: self.optimizers(use_pl_optimizer=False),
            "own": lambda: self.known,
            "lists": self.optimizers,
        }[self.steps]()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(-self.count - self.other)
        for optimizer in optimizers:
            optimizer.step()

    def validation_step(self, batch, batch_idx):
        self.log("val/score", -(self.count.detach() - self.best_at).abs())

    def test_step(self, batch, batch_idx):
        self.log("test/score", -(self.count.detach() - self.best_at).abs())

    def configure_optimizers(self):
        self.known = [torch.optim.SGD([each], 1.0) for each in (self.count, self.other)]
        return self.known if self.steps in ("raw", "lists") else None


class Averaging(Callback):
    """Validate an average of the weights, put in their place for that time alone."""

    def on_fit_start(self, trainer, pl_module):
        self.average = [each.detach().clone() for each in pl_module.parameters()]

    def on_train_batch_end(self, trainer, pl_module, *arguments):
        for mean, each in zip(self.average, pl_module.parameters(), strict=True):
            mean.lerp_(each.detach(), 0.3)

    def _swap(self, pl_module):
        for mean, each in zip(self.average, pl_module.parameters(), strict=True):
            kept = each.detach().clone()
            each.data.copy_(mean)
            mean.copy_(kept)

    def on_validation_start(self, trainer, pl_module):
        self._swap(pl_module)

    def on_validation_end(self, trainer, pl_module):
        self._swap(pl_module)

    def state_dict(self):
        return {"average": self.average}

    def load_state_dict(self, state_dict):
        self.kept = state_dict["average"]

    def on_train_start(self, trainer, pl_module):
        self.average = getattr(self, "kept", self.average)


class Shrinking(Callback):
    """Halve the weights at one moment.

    Args:
        hook: name of the hook that does.
    """

    def __init__(self, hook: str):
        super().__init__()
        setattr(self, hook, self._halve)

    def _halve(self, trainer, pl_module, *arguments):
        if trainer.state.fn == "fit" and not trainer.sanity_checking and trainer.fit_loop.total_batch_idx >= 0:
            with torch.no_grad():
                for each in pl_module.parameters():
                    each.mul_(0.5)


class Copying(Callback):
    """Keep a copy of the module, as a teacher is kept."""

    def setup(self, trainer, pl_module, stage):
        self.teacher = copy.deepcopy(pl_module)


def _added(path, **arguments):
    given = {"_target_": path, **arguments}
    return [f"+callbacks.added.{key}={value}" for key, value in given.items()]


_LIGHTNING = "pytorch_lightning.callbacks"
TASKS = {
    steps: ["~task", f"+task._target_={__name__}.Counted", f"+task.steps={steps}", "monitor.metric=val/score"]
    for steps in ("raw", "own", "none", "lists")
}
CALLBACKS = {
    "averaging": _added(f"{__name__}.Averaging"),
    "Lightning's averaging": _added(f"{_LIGHTNING}.EMAWeightAveraging", decay=0.5),
    "Lightning's stochastic averaging": _added(
        f"{_LIGHTNING}.StochasticWeightAveraging", swa_lrs=0.01, swa_epoch_start=1
    ),
    "with batch norm": [
        *_added(f"{_LIGHTNING}.StochasticWeightAveraging", swa_lrs=0.01, swa_epoch_start=1),
        "model.batch_norm=true",
    ],
    "copying": _added(f"{__name__}.Copying"),
    **{
        f"shrinking {hook}": _added(f"{__name__}.Shrinking", hook=hook)
        for hook in ("on_validation_end", "on_train_epoch_end", "on_train_epoch_start", "on_train_end")
    },
}
