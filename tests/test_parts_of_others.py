"""Losses, optimizers, schedules and callbacks of torch and Lightning that no option names, by their class."""

import pytest

from lightune import compose, train
from lightune.errors import ConfigError

SMALL = ["trainer=cpu", "trainer.max_epochs=2", "model.units=8", "data=wine", "logger=none", "test=false"]
LR_SCHEDULER = "torch.optim.lr_scheduler"


def replaced(group, node):
    return [f"~{group}", f"+{group}={{{node}}}"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        replaced("optimizer", "_target_: torch.optim.Adadelta, _partial_: true, lr: 1.0"),
        replaced("optimizer", "_target_: torch.optim.LBFGS, _partial_: true, lr: 0.1"),
        replaced("scheduler", f"_target_: {LR_SCHEDULER}.MultiStepLR, _partial_: true, milestones: [1]"),
        replaced("scheduler", f"_target_: {LR_SCHEDULER}.OneCycleLR, _partial_: true, max_lr: 0.1"),
        replaced("loss", "_target_: torch.nn.MultiMarginLoss, margin: 0.5"),
        ["+callbacks.timer={_target_: pytorch_lightning.callbacks.Timer}"],
    ],
    ids=["optimizer", "with a closure", "schedule of epochs", "schedule of steps", "loss", "callback"],
)
def test_a_part_of_torch_or_lightning_trains(words):
    assert train(compose([*SMALL, *words])).status == "completed"


@pytest.mark.parametrize(
    ("words", "key", "said"),
    [
        (replaced("optimizer", "_target_: torch.optim.Adadelta, lr: 1.0"), "optimizer._partial_", "must be true"),
        (replaced("optimizer", "_target_: torch.optim.Adadlta, _partial_: true"), "optimizer._target_", "has no"),
        (
            replaced("scheduler", f"_target_: {LR_SCHEDULER}.MultiStepLR, _partial_: true"),
            "scheduler.milestones",
            "is mandatory for MultiStepLR and has no value; set it",
        ),
        (replaced("loss", "_target_: torch.nn.MultiMarginLoss, magin: 1"), "loss.magin", "did you mean 'margin'?"),
        (
            ["+callbacks.timer={_target_: pytorch_lightning.callbacks.Timer, intervall: step}"],
            "callbacks.timer.intervall",
            "did you mean 'interval'?",
        ),
    ],
)
def test_what_is_wrong_with_it_is_said_in_a_line(words, key, said):
    with pytest.raises(ConfigError) as refusal:
        train(compose([*SMALL, *words]))
    (problem,) = refusal.value.problems
    assert (problem.key, said in problem.message, "\n" in problem.message) == (key, True, False)
