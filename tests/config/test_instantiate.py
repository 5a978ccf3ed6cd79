import functools
import pickle

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue
from refusals import problem_of

from lightune.config.instantiate import bind, make, naming_key, require
from lightune.config.trust import inherit
from lightune.errors import ConfigError, Problem

MLP = {"_target_": "lightune.models.MLP", "layers": 2}
SHAPES = {"input_shape": lambda: (4,), "num_outputs": lambda: 3}


def node(**keys):
    return OmegaConf.create(keys)


def never():
    raise AssertionError("nobody takes it")


def raising(error, cause=None):
    with naming_key("model"):
        raise error from cause


def test_a_target_gets_its_keys_and_of_what_is_supplied_what_it_takes():
    supply = {**SHAPES, "num_classes": never, "units": never}
    model = make("model", node(**MLP, units=5), supply)
    assert model(torch.zeros(2, 4)).shape == (2, 3)
    assert [layer.out_features for layer in model.modules() if isinstance(layer, torch.nn.Linear)] == [5, 5, 3]


def test_what_the_node_says_is_not_supplied():
    supply = {**SHAPES, "num_outputs": never}
    assert make("model", node(**MLP, num_outputs=7), supply)(torch.zeros(2, 4)).shape == (2, 7)


def test_a_partial_is_bound_and_not_called():
    rule = make("optimizer", node(_target_="torch.optim.SGD", _partial_=True, lr=0.5), {"params": never})
    assert (rule.func, rule.keywords) == (torch.optim.SGD, {"lr": 0.5})


def test_interpolations_are_resolved_and_missing_values_are_refused_with_the_key():
    cfg = node(lr=0.25, rule={"_target_": "torch.optim.SGD", "_partial_": True, "lr": "${lr}"})
    assert make("optimizer", cfg.rule, {}).keywords == {"lr": 0.25}
    cfg.rule.lr = "???"
    key, message = problem_of(make, "optimizer", cfg.rule, {})
    assert (key, MissingMandatoryValue.__name__ in message) == ("optimizer", True)


def test_a_refusal_names_the_key_of_the_node_where_the_group_has_several():
    key, message = problem_of(make, "callbacks", node(_target_="pathlib.Path"), {}, "callbacks.evil")
    assert (key, "whitelist" in message) == ("callbacks.evil", True)


def test_a_target_is_looked_up_once_and_bound_to_the_keys_of_each_node(monkeypatch):
    plain = {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1}
    first = bind(plain)
    monkeypatch.setattr("lightune.config.instantiate.instantiate", lambda *given, **how: never())
    second = bind({**plain, "lr": 0.2})
    assert (second.func, first.keywords, second.keywords) == (first.func, {"lr": 0.1}, {"lr": 0.2})


def test_a_target_that_was_trusted_before_is_judged_again_where_it_is_not(own):
    target = f"{own('def rule(speed): return speed')}.rule"
    assert bind({"_target_": target, "speed": 2})() == 2
    inherit(())
    with pytest.raises(InstantiationException, match="whitelist"):
        bind({"_target_": target, "speed": 2})


@pytest.mark.parametrize("place", [lambda inner: {"x": inner}, lambda inner: [[inner]]], ids=["mapping", "list"])
def test_nodes_inside_a_node_are_made_too(own, place):
    module = own("class Part: ...\ndef whole(parts): return parts\n")
    inner = {"_target_": f"{module}.Part"}
    for _ in range(2):  # the second time the target is known
        made = bind({"_target_": f"{module}.whole", "parts": place(inner)})()
        (part,) = made.values() if isinstance(made, dict) else made[0]
        assert type(part).__name__ == "Part"


def test_a_constructor_that_refuses_names_its_key():
    assert problem_of(make, "model", node(**MLP, units=[1, 2, 3]), SHAPES) == (
        "model", "units must be one number or a list of 2 (layers=2), got [1, 2, 3]",
    )  # fmt: skip


def test_a_module_that_cannot_be_imported_is_refused(own):
    name = own("import no_such_dependency\nclass Net: ...\n")
    key, message = problem_of(make, "model", node(_target_=f"{name}.Net"), {})
    assert key == "model"
    assert "no_such_dependency" in message


def test_an_alias_made_at_run_time_is_refused(own):
    name = own("import os\nNet = getattr(os, 'system')\n")
    key, message = problem_of(make, "model", node(_target_=f"{name}.Net"), {})
    assert key == "model"
    assert "whitelist" in message


def test_an_alias_of_a_trusted_module_does_not_run_either(own, tmp_path):
    marker = tmp_path / "marker"
    name = own("import os\n")
    evil = node(_target_=f"{name}.os.mkdir", _args_=[str(marker)])
    key, message = problem_of(make, "model", evil, {})
    assert (key, "whitelist" in message) == ("model", True)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("k must be > 1,\n   got 1"), "k must be > 1, got 1"),
        (FileNotFoundError("no such folder"), "no such folder"),
        (ValueError(), "gave no reason"),
        (KeyError("x"), "KeyError: 'x' ("),
    ],
)
def test_an_error_becomes_a_line_about_its_key(error, said):
    key, message = problem_of(raising, error)
    assert key == "model"
    assert message == said or (said.endswith("(") and message.startswith(said))


def test_the_error_behind_an_import_is_told():
    _, message = problem_of(raising, InstantiationException("Error locating target"), ValueError("the cause"))
    assert message == "the cause"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("self.layers[0]", "AttributeError: 'Net' object has no attribute 'layers'"),
        ("queue.Queue().get_nowait()", "Empty: gave no reason"),  # raised by the standard library
    ],
)
def test_an_error_in_code_of_ones_own_is_told_with_its_line(own, tmp_path, monkeypatch, line, said):
    monkeypatch.chdir(tmp_path)
    name = own(f"import queue\nclass Net:\n    def __init__(self):\n        {line}\n")
    _, message = problem_of(make, "model", node(_target_=f"{name}.Net"), {})
    assert message == f"{said} ({name}.py, line 4)"


def test_an_error_inside_a_library_names_no_line():
    _, message = problem_of(make, "optimizer", node(_target_="torch.optim.SGD", params=3), {})
    assert message.startswith("TypeError: ")
    assert ", line " not in message


def test_a_refusal_goes_through_with_its_own_key():
    refusal = ConfigError([Problem("data.root", "must exist")])
    assert problem_of(raising, refusal) == ("data.root", "must exist")


def test_what_holds_is_not_refused():
    require(True, "must hold")
    with pytest.raises(ValueError, match="must hold"):
        require(False, "must hold")


def test_a_bound_target_can_be_told_more():
    assert isinstance(bind({"_target_": "torch.nn.Linear", "in_features": 2}), functools.partial)
    assert bind({"_target_": "torch.nn.Linear", "in_features": 2})(out_features=3).weight.shape == (3, 2)


@pytest.mark.parametrize("size", [10**13, 10**22])
def test_a_network_that_no_memory_holds_is_refused_in_one_short_line(size):
    with pytest.raises(ConfigError) as refusal, naming_key("model"):
        torch.nn.Linear(size, 1)
    (problem,) = refusal.value.problems
    assert problem.key == "model"
    assert len(problem.message) < 200
    assert ("out of memory: 40,000 GB of memory were asked for" in problem.message) == (size == 10**13)


@pytest.mark.parametrize("seen", [False, True], ids=["first", "found before"])
def test_what_a_part_is_given_to_call_later_can_be_kept_among_its_hyperparameters(seen):
    adam = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1 + seen}
    inner = bind({"_target_": "torch.nn.ModuleDict", "modules": {}, "optimizer": adam}).keywords["optimizer"]
    for factory in (make("optimizer", node(**adam), {}), inner):
        kept = pickle.loads(pickle.dumps(factory))
        assert (type(kept), kept.func, kept.keywords) == (functools.partial, torch.optim.Adam, {"lr": 0.1 + seen})
