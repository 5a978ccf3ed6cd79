"""Runs whose batches and strengths change from epoch to epoch: what is trained is what the schedule says."""

import pytest
import torch
from pytorch_lightning import Callback

from lightune import compose, train
from lightune.config.build import build
from lightune.data import Digits
from lightune.errors import ConfigError
from lightune.reporting.curves import read_curves

SHORT = ["trainer=cpu", "trainer.max_epochs=4", "model.units=16", "metrics.bootstrap=50", "test=false", "seed=3"]
pytestmark = pytest.mark.long

GROWS = ["schedule.start=1", "schedule.every=1"]


class Steps(Callback):
    """Keep how many optimizer steps each epoch took, and the strengths that the last of them had."""

    takes_chunks = True

    def __init__(self):
        self.steps, self.strengths = [0], []

    def on_train_epoch_end(self, trainer, pl_module):
        self.steps.append(trainer.global_step)
        dropouts = [module.p for module in pl_module.model.modules() if type(module).__name__ == "Dropout"]
        self.strengths.append((pl_module.regularization.factor, max(dropouts, default=0.0)))

    @property
    def per_epoch(self):
        return [after - before for before, after in zip(self.steps, self.steps[1:], strict=False)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start(*overrides):
        watcher = Steps()
        result = train(compose([*SHORT, *overrides]), watchers=[watcher])
        return result, watcher, read_curves(result.run_dir)

    return start


@pytest.mark.parametrize(
    "how", [[], ["trainer.steps_per_execution=1"], ["data.placement=stream", "data.num_workers=1"]]
)
def test_an_epoch_has_the_steps_that_its_batch_size_makes(run, how):
    _, watcher, curves = run(
        "schedule=batch_growth", *GROWS, "schedule.max_batch_size=300", "augmentation.crop=0.1", *how
    )
    samples = 1257  # of the digits' training part
    sizes = [64, 128, 256, 300]
    assert watcher.per_epoch == [-(-samples // size) for size in sizes]
    assert curves["train/batch_size"] == sizes


def test_a_batch_follows_the_learning_rate(run):
    _, _, curves = run(
        "schedule=batch_growth",
        "schedule.follow=lr",
        "schedule.start=0",
        "scheduler=step",
        "scheduler.step_size=2",
        "scheduler.gamma=0.5",
    )
    assert curves["train/batch_size"] == [64, 64, 128, 128]
    _, _, curves = run(
        "schedule=batch_growth",
        "schedule.follow=lr",
        "schedule.start=0",
        "scheduler=plateau",
        "scheduler.patience=0",
        "scheduler.factor=0.1",
        "monitor.metric=val/loss",
        "monitor.mode=min",
        "optimizer.lr=0.3",
    )
    rates = curves["train/lr"]
    assert curves["train/batch_size"] == [min(round(64 * rates[0] / rate), 1257) for rate in rates]
    assert len(set(rates)) > 1


def test_strengths_grow_and_what_they_add_grows_with_them(run):
    words = ["regularization.l1=1e-3", "regularization.l2=1e-2", "regularization.dropout=0.2"]
    _, watcher, curves = run(*words, "schedule=regularization_growth", "schedule.regularization_growth=3", *GROWS)
    assert watcher.strengths == [(1.0, 0.2), (3.0, pytest.approx(0.6)), (9.0, 0.9), (27.0, 0.9)]
    assert curves["train/l1"] == pytest.approx([1e-3, 3e-3, 9e-3, 27e-3])
    assert curves["train/l2"] == pytest.approx([1e-2, 3e-2, 9e-2, 27e-2])
    assert curves["train/dropout"] == pytest.approx([0.2, 0.6, 0.9, 0.9])


def test_weights_are_smaller_where_strengths_grow(run):
    def size(*words):
        result, *_ = run("regularization.l2=1e-3", *words)
        last = torch.load(result.run_dir / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        return sum(float(each.square().sum()) for name, each in last.items() if name.endswith("weight"))

    plain, grown = size(), size("schedule=regularization_growth", "schedule.regularization_growth=10", *GROWS)
    assert grown < 0.9 * plain
    assert size("schedule=regularization_growth", "schedule.regularization_growth=10", "schedule.start=9") == plain


def test_a_schedule_over_steps_knows_how_many_there_will_be(run):
    _, watcher, curves = run("schedule=batch_growth", *GROWS, "scheduler=one_cycle")
    assert sum(watcher.per_epoch) == 20 + 10 + 5 + 3
    assert curves["train/lr"][-1] < 0.3 * max(curves["train/lr"])


def test_data_that_make_their_own_batches_cannot_grow_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Digits, "train_dataloader", lambda self: None, raising=False)
    with pytest.raises(ConfigError, match="makes training batches of its own, whose size stays"):
        build(compose([*SHORT, "schedule=batch_growth"]))
