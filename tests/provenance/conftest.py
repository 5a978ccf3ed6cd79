"""Runs of every kind on small networks, to be trained again."""

import signal
from pathlib import Path

import pytest
from command_line import run_train
from file_runs import words_for
from pytorch_lightning import Callback

from lightune import compose, resume, train
from lightune.errors import InterruptedRun

NETWORKS = {
    "mlp": lambda folder: ["model.units=8", "model.dropout=0.2"],
    "cnn": lambda folder: [*words_for("image", folder), "data.num_workers=1"],
    "text": lambda folder: words_for("text", folder),
}
"""A network → the overrides of a small training of it, for a folder that may hold its data."""


class StopsInEpoch(Callback):
    """Asks the run to stop in the middle of an epoch, once."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        """Ask when the epoch begins."""
        if trainer.current_epoch == self.epoch:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Make a finished run of a kind, for a network of `NETWORKS`; returns the folder that reproduces it."""
    monkeypatch.chdir(tmp_path)

    def call(kind, network="mlp", *more):
        words = [*NETWORKS[network](tmp_path), "trainer=cpu", "trainer.max_epochs=3", "output_root=outputs", *more]
        return KINDS[kind](words)

    return call


def _run(words):
    return train(compose(words)).run_dir


def _fold(words):
    return train(compose([*words, "validation=kfold", "validation.k=2"])).run_dir / "fits" / "1"


def _resumed(words):
    with pytest.raises(InterruptedRun) as stopped:
        train(compose(words), watchers=[StopsInEpoch(1)])
    return resume(stopped.value.result.run_dir).run_dir


def _longer(words):
    return resume(train(compose([*words, "scheduler=cosine"])).run_dir, ["trainer.max_epochs=5"]).run_dir


def _trial(words, *more):
    more = more or ("hydra/launcher=basic",)  # in this process
    swept = [] if any(word.startswith("optimizer.lr=") for word in words) else ["optimizer.lr=1e-3,3e-3,1e-2"]
    assert run_train("-m", *words, "search.study=s", *swept, *more) == 0
    return Path("outputs/studies/s/trials/1")


def _fused(words):
    return _trial(words, "hydra/launcher=fused")


KINDS = {"run": _run, "fold": _fold, "resumed": _resumed, "longer": _longer, "trial": _trial, "fused": _fused}
