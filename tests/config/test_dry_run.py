import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from refusals import problem_of
from torch import nn

from lightune import compose
from lightune.config import dry_run
from lightune.config.build import build
from lightune.config.dry_run import (
    num_outputs,
    require_room,
    shapes_of,
    try_loggers,
    try_network,
    try_optimizer,
    try_trainer,
)
from lightune.config.trainer import make_trainer
from lightune.losses import BinaryCrossEntropy, CrossEntropy
from lightune.tasks import SupervisedTask

KEYS_OF_MLP = ("layers", "units", "activation", "dropout", "batch_norm", "connections")
NO_MLP_KEYS = [f"~model.{key}" for key in KEYS_OF_MLP]


@pytest.fixture
def parts():
    return build(compose(["data=wine", "trainer=cpu", "model.batch_norm=true"]))


def test_data_tell_the_shapes_that_they_know():
    assert shapes_of(SimpleNamespace(num_targets=2, other=1)) == {"num_targets": 2}
    assert shapes_of(SimpleNamespace(input_shape=(3,), num_classes=4)) == {"input_shape": (3,), "num_classes": 4}


@pytest.mark.parametrize(
    ("loss", "shapes", "wanted"),
    [
        (CrossEntropy(), {"num_classes": 3}, 3),
        (BinaryCrossEntropy(), {"num_classes": 2}, 1),  # as the loss says
        (nn.MSELoss(), {"num_targets": 4}, 4),
        (nn.MSELoss(), {"num_classes": 0, "num_targets": 4}, 4),
    ],
)
def test_a_model_has_an_output_for_each_class_or_value_unless_the_loss_says_otherwise(loss, shapes, wanted):
    assert num_outputs(loss, shapes) == wanted


def test_data_that_tell_neither_classes_nor_values_are_refused():
    with pytest.raises(ValueError, match="give them that attribute"):
        num_outputs(CrossEntropy(), {"input_shape": (3,)})


def test_a_model_that_cannot_take_the_data_is_refused(own):
    name = own("from torch import nn\nclass Net(nn.Linear):\n    def __init__(self): super().__init__(3, 10)\n")
    key, message = problem_of(build, compose([f"model._target_={name}.Net", *NO_MLP_KEYS]))
    assert key == "model"
    assert "RuntimeError" in message


def test_a_model_with_the_wrong_number_of_outputs_is_refused(own):
    name = own(
        "from torch import nn\nclass Net(nn.Sequential):\n"
        "    def __init__(self): super().__init__(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    key, message = problem_of(build, compose([f"model._target_={name}.Net", *NO_MLP_KEYS]))
    assert key == "model"
    assert message == "must map 2 samples to 10 outputs each, got shape (2, 3)"


def test_an_optimizer_that_refuses_its_arguments_is_refused_before_training():
    key, message = problem_of(build, compose(["optimizer=sgd", "optimizer.nesterov=true"]))
    assert key == "optimizer"
    assert message == "Nesterov momentum requires a momentum and zero dampening"


def test_a_scheduler_that_refuses_its_arguments_is_refused_before_training(own):
    name = own(
        "def scheduler(optimizer, steps: int, total_steps: int):\n"
        "    raise ValueError(f'{steps} of {total_steps} is odd')\n"
    )
    cfg = compose()
    cfg.scheduler = OmegaConf.create({"_target_": f"{name}.scheduler", "_partial_": True, "steps": 3})
    key, message = problem_of(build, cfg)
    assert key == "scheduler"
    assert message.startswith("3 of ")


def test_a_loss_that_is_no_single_number_is_refused(parts):
    parts.task.loss = nn.CrossEntropyLoss(reduction="none")
    assert problem_of(try_network, parts.task, parts.data) == (
        "loss", "must return one number, got a tensor of shape (2,)",
    )  # fmt: skip


def test_a_network_that_was_tried_is_still_to_be_trained(parts):
    before = [value.clone() for value in parts.task.state_dict().values()]
    try_network(parts.task, parts.data)
    try_optimizer(parts.task)
    assert parts.task.training
    assert all(map(torch.equal, before, parts.task.state_dict().values()))
    assert all(weight.grad is None for weight in parts.task.parameters())


def test_a_scheduler_that_was_tried_leaves_the_learning_rate_where_it_was(monkeypatch):
    made, prepare = [], SupervisedTask.prepare_optimizer
    monkeypatch.setattr(SupervisedTask, "prepare_optimizer", lambda task: made.append(prepare(task)) or made[-1])
    build(compose(["data=wine", "trainer=cpu", "scheduler=warmup_cosine", "optimizer.lr=0.25"]))
    ((group,),) = (optimizer.param_groups for optimizer in made)
    assert (group["lr"], "initial_lr" in group) == (0.25, False)


def test_a_logger_that_refuses_its_arguments_is_refused_before_training(own, tmp_path):
    name = own("class Log:\n    def __init__(self, save_dir, token): raise ValueError(f'{token} is unknown')\n")
    cfg = compose([f"output_root={tmp_path}"])
    cfg.logger = OmegaConf.create({"mine": {"_target_": f"{name}.Log", "token": "abc"}})
    assert problem_of(try_loggers, cfg) == ("logger.mine", "abc is unknown")


def test_compiling_without_a_compiler_is_refused(monkeypatch):
    monkeypatch.setattr(dry_run, "why_not_compiled", lambda device: f"there is no compiler for {device}")
    cfg = compose(["trainer=cpu", "trainer.compile=default"])
    trainer = make_trainer(cfg)
    assert problem_of(try_trainer, cfg, trainer) == (
        "trainer.compile", "there is no compiler for cpu, got default",
    )  # fmt: skip
    cfg.trainer.compile = "none"
    try_trainer(cfg, trainer)


def test_more_processes_than_the_trainer_is_for_are_refused(monkeypatch):
    cfg = compose(["trainer=cpu"])
    trainer = make_trainer(cfg)
    try_trainer(cfg, trainer)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    key, message = problem_of(try_trainer, cfg, trainer)
    assert key == "trainer"
    assert message.startswith("is for one process, and torchrun has started 2; choose trainer=ddp")


class Weights(nn.Module):
    """A million parameters of four bytes, which lie nowhere."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1_000_000, device="meta"))


@pytest.mark.parametrize(
    ("callbacks", "fits", "megabytes"),
    [("default", 1, 1 + 4 * 3 * 3), ("default", 5, 1 + 4 * 3 * 11), ("none", 1, 1)],
)
def test_a_disk_without_room_for_the_checkpoints_is_refused(monkeypatch, tmp_path, callbacks, fits, megabytes):
    seen = []

    def usage(folder):
        seen.append(Path(folder))
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    cfg = compose([f"callbacks={callbacks}", f"output_root={tmp_path}/to/be/made"])
    free = megabytes * 1e6
    require_room(cfg, Weights(), fits)
    free = math.nextafter(free, 0)
    assert problem_of(require_room, cfg, Weights(), fits) == (
        "output_root",
        f"has {megabytes} MB free; this run's checkpoints and logs need about {megabytes} MB, "
        f"got {tmp_path}/to/be/made",
    )
    assert seen == [tmp_path] * 2
