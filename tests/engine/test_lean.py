"""Many minibatches a step leave what one minibatch a step leaves, to the last bit."""

import copy
import logging

import pytest
import torch
from curves import curves
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import GradientAccumulationScheduler, StochasticWeightAveraging

from lightune import compose, train
from lightune.config.trainer import build_trainer
from lightune.engine import lean
from lightune.engine.lean import engage
from lightune.errors import ConfigError
from lightune.run import prepare
from lightune.tasks import SupervisedTask


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Train a little; returns the result, the last checkpoint and the curves."""
    monkeypatch.chdir(tmp_path)

    def start(steps, *overrides):
        extra = ["trainer=cpu", "trainer.max_epochs=3", "model.units=16", "test=false"]
        result = train(compose([*extra, f"trainer.steps_per_execution={steps}", *overrides]))
        last = torch.load(result.run_dir / "checkpoints/last.ckpt", weights_only=True)
        return result, last, curves(result.run_dir)

    return start


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.batch_size=37"],
        ["data.batch_size=157", "model.batch_norm=true"],  # one sample is left over
        ["scheduler=warmup_cosine", "model.dropout=0.2", "regularization=gradient_clip"],
        ["scheduler=plateau", "scheduler.patience=0", "optimizer=sgd", "regularization=l2"],
        ["+trainer.max_steps=47", "scheduler=warmup_cosine"],
        ["+trainer.max_steps=45"],
        ["schedule=both", "schedule.start=1", "schedule.every=1", "regularization.l2=1e-3", "model.dropout=0.2"],
        ["schedule=batch_growth", "schedule.start=1", "schedule.every=1", "scheduler=warmup_cosine"],
        [
            "schedule=batch_growth",
            "schedule.follow=lr",
            "schedule.start=1",
            "scheduler=exponential",
            "scheduler.gamma=0.5",
        ],
        ["+trainer.accumulate_grad_batches=3", "scheduler=one_cycle", "regularization=gradient_clip"],
        [
            "+trainer.accumulate_grad_batches=2",
            "schedule=batch_growth",
            "schedule.start=1",
            "schedule.every=1",
            "regularization.ema=0.9",
        ],
        ["optimizer=muon", "+task.decay=weights", "model.batch_norm=true"],
        ["regularization=ema", "model.batch_norm=true"],
        ["regularization=swa", "regularization.swa=0.4", "model.batch_norm=true"],
        ["regularization=mixup", "regularization.cutmix=1", "regularization.label_smoothing=0.1"],
        ["augmentation=standard", "augmentation.rotate=20", "augmentation.contrast=0.3", "augmentation.auto=0.3"],
    ],
)
def test_the_size_of_a_step_changes_nothing(run, overrides):
    result, last, curves = run(1, *overrides)
    for steps in (7, "auto"):
        other, other_last, other_curves = run(steps, *overrides)
        state = other_last["state_dict"]
        assert all(torch.equal(value, state[name]) for name, value in last["state_dict"].items())
        assert other.metrics == result.metrics
        assert (other.steps, other.epochs, other.objective) == (result.steps, result.epochs, result.objective)
        assert other_curves == curves
        assert other_last["lr_schedulers"] == last["lr_schedulers"]
        assert (other_last["global_step"], other_last["epoch"]) == (last["global_step"], last["epoch"])


def test_every_training_sample_is_counted(run):
    one, many = run(1)[0], run("auto")[0]
    assert one.steps == many.steps == 60
    assert many.samples_per_second > 0
    assert "steps_per_execution=20" in (many.run_dir / "train.log").read_text()


class Nosy(Callback):
    def on_train_batch_end(self, *arguments):
        pass


class Indifferent(Callback):
    def on_train_epoch_end(self, *arguments):
        pass


def engaged(tmp_path, *overrides, watchers=()):
    cfg = compose(["trainer=cpu", "trainer.max_epochs=3", "logger=none", *overrides])
    parts = prepare(cfg)
    trainer = build_trainer(cfg, run_dir=tmp_path, watchers=watchers)
    return engage(trainer, parts.task, parts.data, "auto"), parts


@pytest.mark.parametrize(
    ("overrides", "watchers", "reason"),
    [
        ([], [Nosy()], "Nosy.on_train_batch_end wants every batch"),
        (["+trainer.accumulate_grad_batches=2", "+trainer.max_steps=20"], [], "max_steps counts steps"),
        ([], [GradientAccumulationScheduler({1: 2})], "GradientAccumulationScheduler counts batches"),
        (["+trainer.limit_train_batches=3"], [], "limit_train_batches"),
        (["+trainer.limit_train_batches=1"], [], "limit_train_batches"),
        (["trainer=overfit"], [], "overfit_batches"),
        (["trainer=ddp_cpu"], [], "DDPStrategy works on every batch"),
        (["+trainer.val_check_interval=0.5"], [], "val_check_interval"),
        (["+trainer.val_check_interval=1"], [], "val_check_interval"),
        ([], [StochasticWeightAveraging(0.01)], "StochasticWeightAveraging has batches that take no step"),
        (["callbacks.lr_monitor.logging_interval=step", "logger=csv"], [], "LearningRateMonitor"),
        (
            ["~optimizer", "+optimizer={_target_: torch.optim.LBFGS, _partial_: true}"],
            [],
            "the optimizer computes the loss of a batch again",
        ),
    ],
)
def test_what_needs_every_batch_gets_it_and_the_reason_is_logged(tmp_path, caplog, overrides, watchers, reason):
    with caplog.at_level(logging.INFO, logger="lightune.engine.lean"):
        steps, parts = engaged(tmp_path, *overrides, watchers=watchers)
    assert (steps, parts.task.lean, parts.data.steps_per_execution) == (1, None, 1)
    assert reason in caplog.text


def test_a_task_of_ones_own_gets_every_batch(tmp_path, caplog):
    class Own(SupervisedTask):
        pass

    cfg = compose(["trainer=cpu", "logger=none"])
    parts = prepare(cfg)
    trainer = build_trainer(cfg, run_dir=tmp_path)
    parts.task.__class__ = Own
    with caplog.at_level(logging.INFO, logger="lightune.engine.lean"):
        assert engage(trainer, parts.task, parts.data, 8) == 1
    assert "Own may want to see every batch" in caplog.text


def test_a_callback_that_says_so_is_given_chunks(tmp_path):
    nosy = Nosy()
    nosy.takes_chunks = True
    assert engaged(tmp_path, watchers=[nosy])[0] == 20


def test_a_callback_that_looks_at_epochs_does_not_matter(tmp_path):
    assert engaged(tmp_path, watchers=[Indifferent()])[0] == 20


def test_a_copy_of_the_task_takes_every_batch_by_itself(tmp_path):
    task = engaged(tmp_path)[1].task
    assert task.lean is not None
    assert copy.deepcopy(task).lean is None


def test_a_schedule_of_steps_knows_the_length_of_the_run(tmp_path):
    assert engaged(tmp_path)[1].task.lean.total_steps == 60
    assert engaged(tmp_path, "+trainer.max_steps=47")[1].task.lean.total_steps == 47


@pytest.mark.parametrize("value", ["0", "some", "1.5"])
def test_a_size_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match=r"trainer\.steps_per_execution"):
        prepare(compose([f"trainer.steps_per_execution={value}"]))


def test_gradients_are_forgotten_as_the_optimizer_wants_it():
    class Own(torch.optim.SGD):
        def zero_grad(self, set_to_none=True):
            self.asked = True

    weight = torch.nn.Parameter(torch.ones(2))
    for kind in (torch.optim.SGD, Own):
        optimizer = kind([weight], lr=0.1)
        weight.grad = torch.ones(2)
        lean._clearing(optimizer)()
        assert (weight.grad is None) == (kind is torch.optim.SGD)
    assert optimizer.asked
