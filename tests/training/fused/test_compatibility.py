"""What trials that train as one program may differ in; what the fused loop knows of a configuration."""

import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from lightune import compose
from lightune.training.fused.compatibility import check_supported, may_differ, structure


def tree(*overrides):
    return OmegaConf.to_container(compose(["trainer=cpu", *overrides]), resolve=True)


FREE = [
    "seed=7",
    "name=other",
    "scheduler=cosine",
    "validation.val_fraction=0.2",
    "callbacks.early_stopping.patience=3",
    "optimizer.lr=0.5",
    "optimizer.betas=[0.8,0.9]",
    "regularization.l1=0.1",
    "regularization.gradient_clip=1.0",
    "regularization.label_smoothing=0.1",
    "loss.label_smoothing=0.1",
    "model.dropout=0.1",
    "augmentation=standard",
    "augmentation.rotate=10",
]
BOUND = ["model.units=3", "model=cnn", "optimizer=sgd", "data.batch_size=7", "optimizer.amsgrad=true", "loss=bce"]
BOUND += ["loss.class_weights=balanced", "validation.groups=patient"]


@pytest.mark.parametrize("override", FREE)
def test_numbers_and_names_may_differ(override):
    assert may_differ(override.partition("=")[0])
    assert structure(tree(override)) == structure(tree())


@pytest.mark.parametrize("override", BOUND)
def test_what_changes_the_program_may_not_differ(override):
    assert not may_differ(override.partition("=")[0])
    assert structure(tree(override)) != structure(tree())


@pytest.mark.parametrize("option", ["batch_growth", "regularization_growth"])
def test_what_changes_from_epoch_to_epoch_is_trained_alone(option):
    assert check_supported(tree()) is None
    reason = f"schedule.{option}: what changes from epoch to epoch has no fused form"
    assert check_supported(tree(f"schedule={option}")) == reason
    without = {key: value for key, value in tree().items() if key != "schedule"}  # of an earlier version
    assert check_supported(without) is None


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_samples_that_are_mixed_are_trained_alone(name):
    reason = f"regularization.{name}: samples that are mixed with each other have no fused form"
    assert check_supported(tree(f"regularization={name}")) == reason
    assert check_supported(tree(f"regularization.{name}=0")) is None


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_networks_whose_average_is_judged_are_trained_alone(name):
    reason = f"regularization.{name}: an average of weights that is judged has no fused form"
    assert check_supported(tree(f"regularization={name}")) == reason


def test_parameters_that_decay_differently_are_trained_alone():
    reason = "task.decay=weights: parameters of several groups have no fused form"
    assert check_supported(tree("+task.decay=weights")) == reason
    assert check_supported(tree("+task.decay=all")) is None


def test_a_number_of_another_optimizer_says_nothing_by_itself():
    assert may_differ("optimizer.momentum")
    assert structure(tree("optimizer=sgd", "optimizer.momentum=0.5")) == structure(tree("optimizer=sgd"))


def test_the_default_is_supported():
    assert check_supported(tree()) is None
    assert check_supported(tree("+trainer.limit_train_batches=1.0", "+trainer.val_check_interval=1.0")) is None


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["+trainer.accumulate_grad_batches=2"], "trainer.accumulate_grad_batches=2 has no fused form"),
        (["+trainer.limit_train_batches=1"], "trainer.limit_train_batches=1 has no fused form"),
        (["+trainer.val_check_interval=1"], "trainer.val_check_interval=1 has no fused form"),
        (["+trainer.detect_anomaly=true"], "trainer.detect_anomaly has no fused form"),
        (["+optimizer.differentiable=true"], "optimizer.differentiable has no fused form"),
        (["task._target_=own.Task"], "task: own.Task says itself what a step is"),
    ],
)
def test_what_is_not_known_is_named(overrides, reason):
    assert check_supported(tree(*overrides)) == reason


def test_it_is_read_without_torch_lightning_or_optuna():
    heavy = "{'torch', 'pytorch_lightning', 'optuna'} & sys.modules.keys()"
    code = f"import sys, lightune.training.fused.compatibility; sys.exit(bool({heavy}))"
    subprocess.run([sys.executable, "-c", code], check=True)
