import pytest
from omegaconf import OmegaConf

from lightune.config.unknown_keys import exists, no_mapping, unknown_key

CONFIG = OmegaConf.create(
    {
        "a": {"b": 1, "empty": None, "missing": "???", "odd": "${nothing}"},
        "seed": 0,
        "hydra": {"run": {"dir": "x"}},
    }
)


@pytest.mark.parametrize(
    ("key", "is_there"),
    [("a", True), ("a.b", True), ("a.empty", True), ("a.missing", True), ("a.odd", True), ("a.c", False),
     ("c.b", False), ("a.empty.x", False)],
)  # fmt: skip
def test_a_key_exists_whatever_its_value(key, is_there):
    assert exists(CONFIG, key) == is_there


def said(key):
    options = {"one": {"c"}, "two": {"c", "d"}}
    return unknown_key(key, "1", CONFIG, lambda group: options if group == "a" else {})


def test_a_word_of_other_tools_is_understood_though_another_option_has_a_key_by_that_name():
    cfg = OmegaConf.create({"model": {"units": 64}, "optimizer": {"lr": 0.1}})
    message = unknown_key("model.hidden", "8", cfg, lambda _: {"tabular_resnet": {"hidden"}})
    assert message.endswith("model=tabular_resnet has it; did you mean 'model.units'?")
    message = unknown_key("optimizer.hidden", "8", cfg, lambda _: {"odd": {"hidden"}})
    assert message.endswith("optimizer=odd has it")


def test_what_may_have_been_meant_is_named():
    assert said("seeed") == "does not exist; did you mean 'seed'?"
    assert said("hydra.run.dirr") == "does not exist; did you mean 'hydra.run.dir'?"
    assert said("qqqqq") == "does not exist (the root has a, seed)"
    assert said("a.c") == "is no key of the chosen a; a=one and two have it"
    assert said("a.d") == "is no key of the chosen a; a=two has it"
    assert said("a.empty.x") == no_mapping("a.empty")


def test_a_list_has_places_and_no_names():
    cfg = OmegaConf.create({"a": {"list": [1, 2]}, "seed": 0})
    assert exists(cfg, "a.list.1")
    assert not exists(cfg, "a.list.2")
    assert not exists(cfg, "a.list.x")
    for key in ("a.list.x", "a.list.2"):
        message = unknown_key(key, "1", cfg, lambda _: {})
        assert message == "is no place of a list: a.list has 2, counted from 0; write the whole list, a.list=[…]"


def test_the_keys_that_are_listed_are_those_of_what_is_there():
    cfg = OmegaConf.create({"a": {"b": {"c": 1, "d": 2}}, "q": 0})
    assert unknown_key("a.b.xxxx.y", "1", cfg, lambda _: {}) == "does not exist (a.b has c, d)"
    assert unknown_key("zzzz.y", "1", cfg, lambda _: {}) == "does not exist (the root has a, q)"


def test_what_lightune_decides_of_a_trainer_is_not_offered_with_a_plus():
    cfg = OmegaConf.create({"trainer": {"_target_": "pytorch_lightning.Trainer", "max_epochs": 1}})
    message = unknown_key("trainer.gradient_clip_val", "1", cfg, lambda _: {})
    assert message == "cannot be set: set regularization.gradient_clip instead"
    assert unknown_key("trainer.max_steps", "1", cfg, lambda _: {}).endswith("write +trainer.max_steps=1")
