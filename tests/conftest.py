"""Fixtures that more than one room of the tests uses."""

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "command_line",
    "hydra_app",
    "file_runs",
    "fused_members",
    "notebooks",
    "sabotage",
    "strangers",
    "table_runs",
]


if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests may be run under nohup, and some close a terminal


@pytest.fixture(autouse=True)
def as_trusting_as_before():
    """Let no test trust what another has trusted, nor find the code of the project that another has entered."""
    from lightune.config import project, trust

    before, path = trust.trusted(), list(sys.path)
    yield
    trust.inherit(before)
    sys.path[:] = path
    project.enter_project(Path(Path.cwd().anchor))


@pytest.fixture(autouse=True)
def log_handlers_as_before():
    """Let no test write to the console of an application that another test has started."""
    loggers = [logging.getLogger(name) for name in (None, "lightune", "hydra")]
    before = [list(logger.handlers) for logger in loggers]
    yield
    for logger, own in zip(loggers, before, strict=True):
        for handler in [each for each in logger.handlers if each not in own]:
            if not type(handler).__module__.startswith("_pytest"):
                logger.removeHandler(handler)
                handler.close()


@pytest.fixture
def fit(tmp_path) -> Callable[..., Any]:
    """Train a module on the CPU in the test's own folder, without a word; returns the trainer."""
    from pytorch_lightning import Trainer

    from lightune.checkpoints import WholeCheckpointIO
    from lightune.runtime.quiet import quiet

    def run(module, *loaders, datamodule=None, epochs=1, callbacks=(), logger=False, ckpt_path=None, **settings):
        with quiet(verbose=False):
            trainer = Trainer(
                accelerator="cpu",
                devices=1,
                max_epochs=epochs,
                callbacks=list(callbacks),
                logger=logger,
                default_root_dir=tmp_path,
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                plugins=[WholeCheckpointIO()],
                **{"enable_checkpointing": False, **settings},
            )
            trainer.fit(module, *loaders, datamodule=datamodule, ckpt_path=ckpt_path)
        return trainer

    return run


@pytest.fixture
def fit_scripted(fit) -> Callable[..., Any]:
    """Train a one-weight module whose figure of each epoch is told beforehand; returns the trainer.

    The figure is logged as `val/accuracy` and `train/figure`. The weight after epoch `e` is `e + 1`. Each epoch
    has two batches, of three and two samples.
    """
    import torch
    from pytorch_lightning import LightningModule

    from lightune.data.loader import TensorLoader

    class Scripted(LightningModule):
        def __init__(self, values: list[float]) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.values = values

        def training_step(self, batch, batch_idx):
            self.weight.data.fill_(self.current_epoch + 1)
            self.log("train/figure", self.values[self.current_epoch], on_step=False, on_epoch=True)
            return self.weight * 0

        def validation_step(self, batch, batch_idx):
            self.log("val/accuracy", self.values[self.current_epoch])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1.0)

    def run(values, **settings):
        loaders = [TensorLoader(torch.zeros(5, 1), torch.zeros(5), batch_size=3) for _ in range(2)]
        return fit(Scripted(values), *loaders, epochs=len(values), **settings)

    return run


@pytest.fixture
def checkpoint_after(fit_scripted) -> Callable[..., None]:
    """Train two epochs of two steps, and save as a run does after one of the steps, from 1."""
    from pytorch_lightning import Callback

    from lightune.callbacks import Randomness

    class Save(Callback):
        def __init__(self, path, step):
            self.path, self.step = path, step

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == self.step:
                trainer.save_checkpoint(self.path)

    def run(path, *, step):
        fit_scripted([0.5, 0.5], callbacks=[Randomness(), Save(path, step)])

    return run
