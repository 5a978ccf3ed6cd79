"""Runs that are stopped by a real signal, and go on as if they had not been."""

import os
import signal

import pytest
import torch
from pytorch_lightning import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightune import compose, resume, train
from lightune.checkpoints import read_checkpoint
from lightune.reporting.result import read_result
from lightune.run import InterruptedRun

BASE = ["trainer=cpu", "trainer.max_epochs=4", "model.units=16", "metrics.bootstrap=50", "data.batch_size=100"]
STEPS_AN_EPOCH = 13


class Signal(Callback):
    """Send this process a signal after so many optimizer steps of one of a run's fits."""

    def __init__(self, after, signum=signal.SIGTERM, *, fit=0):
        super().__init__()
        self.after, self.signum, self.fit = after, signum, fit
        self.fits = -1

    def on_fit_start(self, trainer, pl_module):
        self.fits += 1

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == self.after and self.fits == self.fit:
            os.kill(os.getpid(), self.signum)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def cut(*overrides, after, signum=signal.SIGTERM, fit=0):
    """Train, be stopped, and return the folder that is left."""
    with pytest.raises(InterruptedRun) as stopped:
        train(compose([*BASE, *overrides]), watchers=[Signal(after, signum, fit=fit)])
    assert stopped.value.exit_code == 128 + signum
    assert read_result(stopped.value.result.run_dir).status == "interrupted"
    return stopped.value.result.run_dir


def assert_same(one, other):
    """Compare two runs to the bit: figures, weights, curves."""
    assert one.status == other.status
    assert one.objective == other.objective
    assert one.metrics == other.metrics
    assert (one.epochs, one.steps) == (other.epochs, other.steps)
    assert [entry.metrics for entry in one.folds] == [entry.metrics for entry in other.folds]
    for path in sorted(one.run_dir.rglob("*.ckpt")):
        ours, theirs = (read_checkpoint(r.run_dir / path.relative_to(one.run_dir)) for r in (one, other))
        for key, value in ours["state_dict"].items():
            assert torch.equal(value, theirs["state_dict"][key]), (path.name, key)
    assert curves(one.run_dir) == curves(other.run_dir)


def curves(folder):
    read = EventAccumulator(str(folder)).Reload()
    tags = [tag for tag in read.Tags()["scalars"] if not tag.startswith("seconds")]
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in tags}


OPTIONS = {
    "sgd, momentum, step": ["optimizer=sgd", "optimizer.momentum=0.9", "scheduler=step", "scheduler.step_size=1"],
    "gd": ["optimizer=gd", "trainer.max_epochs=40"],
    "adam, exponential, l1": ["optimizer=adam", "scheduler=exponential", "regularization=l1"],
    "adamw, warmup_cosine, dropout": ["scheduler=warmup_cosine", "model.dropout=0.3", "model.batch_norm=true"],
    "rmsprop, cosine, elastic_net": ["optimizer=rmsprop", "scheduler=cosine", "regularization=elastic_net"],
    "adagrad, plateau, l2": [
        "optimizer=adagrad",
        "scheduler=plateau",
        "scheduler.patience=0",
        "regularization=l2",
    ],
    "clipping, accumulation": ["regularization=gradient_clip", "+trainer.accumulate_grad_batches=2"],
    "regression": ["data=diabetes", "data.batch_size=30"],
}


@pytest.mark.parametrize("overrides", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("after", [20, 26], ids=["in an epoch", "at an epoch's end"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bit(overrides, after):
    whole = train(compose([*BASE, *overrides]))
    assert_same(resume(cut(*overrides, after=after)), whole)
