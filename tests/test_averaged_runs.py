"""Runs whose weights are averaged: what is judged is what is saved, and training goes on with the weights."""

import pytest
import torch
from pytorch_lightning import Callback

from lightune import compose, evaluate, load, train
from lightune.config.build import build
from lightune.reporting.curves import read_curves

SHORT = ["trainer=cpu", "trainer.max_epochs=4", "model.units=16", "model.batch_norm=true", "metrics.bootstrap=50"]
SHORT += ["callbacks.checkpoint.every_seconds=0", "monitor.metric=val/loss", "monitor.mode=min"]
EMA, SWA = ["regularization=ema", "regularization.ema=0.95"], ["regularization=swa", "regularization.swa=0.5"]
pytestmark = pytest.mark.long


class Weights(Callback):
    """Keep the weights that each optimizer step leaves, and those that each epoch ends with."""

    def __init__(self):
        self.steps, self.epochs = [], []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.steps.append({name: value.double().clone() for name, value in pl_module.model.state_dict().items()})

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append(self.steps[-1])


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start(*overrides):
        cfg, watcher = compose([*SHORT, *overrides]), Weights()
        first = build(cfg).task.model.state_dict()
        result = train(cfg, watchers=[watcher])
        files = (result.run_dir / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
        return result, {name: value.double() for name, value in first.items()}, watcher, *map(read, files)

    return start


def read(file):
    return torch.load(file, weights_only=True)


def exponential(first, steps, decay):
    average = first
    for number, weights in enumerate(steps):
        kept = min(decay, (1 + number) / (10 + number))
        average = {name: kept * value + (1 - kept) * weights[name] for name, value in average.items()}
    return average


def mean(epochs):
    return {name: sum(each[name] for each in epochs) / len(epochs) for name in epochs[0]}


def assert_close(checkpoint, expected):
    for name, value in expected.items():
        if not name.endswith("num_batches_tracked"):
            saved = checkpoint["state_dict"][f"model.{name}"]
            torch.testing.assert_close(saved.double(), value, rtol=1e-4, atol=1e-5)


def loss_of(checkpoint, *overrides):
    """Return the validation loss of a checkpoint's weights."""
    parts = build(compose([*SHORT, *overrides]))
    parts.task.load_state_dict(checkpoint["state_dict"])
    parts.task.eval()
    with torch.no_grad():
        x, target = next(iter(parts.data.val_dataloader()))
        return float(parts.task.loss(parts.task(x), target))


def test_an_exponential_average_of_all_steps_is_judged_and_saved(run):
    result, first, watcher, best, last = run(*EMA)
    assert_close(last, exponential(first, watcher.steps, 0.95))
    assert_close({"state_dict": last["resumed_state_dict"]}, watcher.steps[-1])
    losses = read_curves(result.run_dir)["val/loss"]
    assert loss_of(last) == pytest.approx(losses[-1], abs=1e-6)
    assert loss_of(best) == pytest.approx(min(losses), abs=1e-6)
    assert loss_of({"state_dict": last["resumed_state_dict"]}) != pytest.approx(losses[-1], abs=1e-4)


def test_the_mean_of_the_last_epochs_is_judged_and_saved(run):
    result, _, watcher, _, last = run(*SWA)
    assert last["weight_average"]["updates"] == 2
    assert_close(last, mean(watcher.epochs[2:]))
    losses = read_curves(result.run_dir)["val/loss"]
    assert loss_of(last) == pytest.approx(losses[-1], abs=1e-6)


def test_averages_leave_the_training_as_it_is(run):
    _, _, plain, _, last = run()
    for words in (EMA, SWA, ["regularization.ema=0"]):
        _, _, watcher, _, averaged = run(*words)
        for one, two in zip(plain.steps, watcher.steps, strict=True):
            assert all(torch.equal(value, two[name]) for name, value in one.items())
        own = averaged.get("resumed_state_dict", averaged["state_dict"])
        assert all(torch.equal(value, own[name]) for name, value in last["state_dict"].items())
    assert "resumed_state_dict" not in averaged


@pytest.mark.parametrize("words", [EMA, SWA], ids=["ema", "swa"])
def test_what_is_tested_evaluated_and_loaded_is_what_was_judged(run, words):
    result, *_, best, _ = run(*words)
    again = evaluate(result.run_dir)
    assert again["test/accuracy"] == result.metrics["test/accuracy"]
    parts = build(compose(SHORT))
    parts.task.load_state_dict(best["state_dict"])
    parts.task.eval()
    raw = parts.data.samples.inputs[:20]
    with torch.no_grad():
        expected = parts.task.predictions(parts.task(parts.data.preparation(raw.float())))
    predicted = load(result.run_dir).of_raw(raw)
    torch.testing.assert_close(predicted, expected, rtol=1e-4, atol=1e-5)


def test_judged_within_epochs_it_is_the_average_of_then(run):
    _, first, watcher, best, _ = run(*EMA, "+trainer.val_check_interval=7", "trainer.max_epochs=2")
    judged = [
        loss_of({"state_dict": {f"model.{name}": value.float() for name, value in average.items()}})
        for average in (exponential(first, watcher.steps[:count], 0.95) for count in (7, 14, 27, 34))
    ]
    assert loss_of(best) == pytest.approx(min(judged), abs=1e-3)
