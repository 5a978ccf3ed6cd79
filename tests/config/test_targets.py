import pytest

from lightune.config.static.signatures import describe
from lightune.config.targets import TargetCheck

MLP = {"_target_": "lightune.models.MLP"}


def problems(node, group="model", path=None, output_root="outputs"):
    check = TargetCheck(group, describe, output_root)
    return {problem.key: problem.message for problem in check.node(path or group, node)}


def test_a_sound_node_is_read_and_kept():
    check = TargetCheck("model", describe, "outputs")
    assert list(check.node("model", {**MLP, "units": 8})) == []
    assert check.targets["model"].name == "MLP"


@pytest.mark.parametrize(
    ("node", "key", "said"),
    [
        ({**MLP, "unis": 8}, "model.unis", "takes no such argument; did you mean 'units'?"),
        ({**MLP, "units": -1}, "model.units", "must be"),
        ({**MLP, "_lazy_": True}, "model._lazy_", "is no directive"),
        ({}, "model._target_", "is missing"),
        ({"_target_": 3}, "model._target_", "must be the dotted path"),
        ({"_target_": "lightune.models.MPL"}, "model._target_", "cannot be imported"),
        ({"_target_": "os.system"}, "model._target_", "is not trusted, got os.system; choose an option"),
        ({"_target_": "mine.Net"}, "model._target_", "start with LIGHTUNE_TRUST=mine"),
        ({**MLP, "_execution_whitelist_": "*"}, "model._execution_whitelist_", "cannot be given"),
        ({**MLP, "units": {"_target_": "os.system"}}, "model.units._target_", "is not trusted"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(node, key, said):
    assert said in problems(node)[key]


@pytest.mark.parametrize(
    ("group", "target", "argument"),
    [
        ("optimizer", "torch.optim.Adamax", "params"),
        ("scheduler", "torch.optim.lr_scheduler.LinearLR", "optimizer"),
    ],
)
def test_what_is_called_later_has_to_say_so(group, target, argument):
    assert problems({"_target_": target, "_partial_": True}, group) == {}
    said = f"must be true: {target.rpartition('.')[2]} is called with {argument} when the task has them"
    assert problems({"_target_": target}, group) == {f"{group}._partial_": said}


def test_what_lightning_has_in_another_package_is_named_as_it_is_here():
    node = {"mine": {"_target_": "lightning.pytorch.callbacks.Timer"}}
    said = problems(node, "callbacks")["callbacks.mine._target_"]
    assert "write pytorch_lightning.callbacks.Timer, the same class" in said


def test_several_parts_by_name_have_a_target_each():
    found = problems({"a": {"x": 1}, "b": 3}, group="callbacks")
    assert found["callbacks.a._target_"].startswith("is missing")
    assert "remove it with ~callbacks.b" in found["callbacks.b"]


def test_what_lightune_sets_itself_is_refused_with_the_place_to_say_it():
    found = problems({"_target_": "pytorch_lightning.Trainer", "gradient_clip_val": 1.0}, group="trainer")
    assert "set regularization.gradient_clip instead" in found["trainer.gradient_clip_val"]


def test_folders_of_loggers_stay_below_the_output_root(tmp_path):
    node = {"tb": {"_target_": "lightune.reporting.tensorboard.TensorBoard", "save_dir": "/elsewhere"}}
    assert (
        "must lie below output_root"
        in problems(node, group="logger", output_root=str(tmp_path))["logger.tb.save_dir"]
    )
