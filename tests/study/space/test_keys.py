"""Swept keys and options that do not exist, or not beside every choice of a group."""

import sys

import pytest

from lightune.cli import train


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Start a study that is refused, with a space in YAML and on the command line; return key → rule."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, space=""):
        monkeypatch.setattr(sys, "argv", ["train.py", "-m", f"+search.space={{{space}}}", *arguments])
        with pytest.raises(SystemExit) as stop:
            train.main()
        said = capfd.readouterr().err
        assert stop.value.code == 2, said
        assert list(tmp_path.iterdir()) == []
        first, *lines = said.splitlines()
        assert first.endswith("nothing was started")
        return dict(line.strip().split("  ", 1) for line in lines)

    return call


MOMENTUM = "optimizer=adam has no such key; say where it is searched, in search.space: "


def test_a_key_that_a_choice_lacks_wants_a_condition(refused):
    said = refused(space="optimizer:'choice(sgd,adam)',optimizer.momentum:'interval(0.5,0.9)'")
    assert said.keys() == {"search.space.optimizer.momentum"}
    assert said["search.space.optimizer.momentum"].strip() == (
        f"{MOMENTUM}optimizer.momentum: {{space: …, when: {{optimizer: sgd}}}}"
    )


def test_a_condition_lists_all_the_choices_that_have_the_key(refused):
    said = refused("optimizer=sgd,adam,gd,adamw", "optimizer.momentum=0.5,0.9")["optimizer.momentum"]
    assert said.startswith("optimizer=adam and optimizer=adamw have no such key;")
    assert "{optimizer: [sgd, gd]}" in said


def test_a_key_under_its_condition_is_looked_for_there_only(refused):
    space = "optimizer:[sgd,adam],optimizer.momentum:{space:[0.5],when:{optimizer:sgd}},seed:[x]"
    assert refused(space=space).keys() == {"seed"}
    said = refused(space=space.replace("when:{optimizer:sgd}", "when:{optimizer:adam}"))
    assert "optimizer=adam has no such key" in said["search.space.optimizer.momentum"]


F = "{_target_: torchmetrics.FBetaScore, beta: %s}"


@pytest.mark.parametrize(
    "word",
    [
        f"metrics.extra={{f2: {F % 2}}},{{f2: {F % 1}}}",
        f"metrics={{extra: {{f2: {F % 2}}}}},{{extra: {{f2: {F % 1}}}}}",
        f"metrics.extra={{f2: {F % 2}}},null",
    ],
)
def test_a_mapping_may_put_parts_where_null_stands_and_its_values_are_judged(refused, word):
    assert refused(word, "seed=x").keys() == {"seed"}
    broken = refused(word.replace("beta: 2", "betta: 2"))
    assert broken.keys() == {"metrics.extra.f2.betta"}


def test_a_key_that_an_option_of_another_group_brings_wants_a_condition_too(refused):
    said = refused("experiment=kfold_mlp,digits_mlp", "validation.k=3,4")
    assert "{experiment: kfold_mlp}" in said["validation.k"]


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("optimizer.lrr", "optimizer=adamw has no such key; did you mean 'optimizer.lr'?"),
        ("optimzer.lr", "there is no such key; did you mean 'optimizer.lr'?"),
        ("lr", "there is no such key; did you mean 'optimizer.lr'?"),
        ("optimizer.learning_rate", "optimizer=adamw has no such key; did you mean 'optimizer.lr'?"),
        ("epochs", "there is no such key; did you mean 'trainer.max_epochs'?"),
        ("callbacks.early_stopping.patienc", "did you mean 'callbacks.early_stopping.patience'?"),
        ("optimizer.fused", "optimizer=adamw has no such key, but its target takes one; to add it, write +opt"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_nearest(refused, key, rule):
    assert rule in refused(f"{key}=1,2")[key]


@pytest.mark.parametrize(
    ("space", "words", "key", "rule"),
    [
        ("model:[{layrs:1},{layers:2}]", [], "search.space.model.layrs", "did you mean 'model.layers'?"),
        ("trainer:[{max_epochs:1,max_step:3}]", [], "search.space.trainer.max_step", "did you mean"),
        ("optimizer:[{lr:0.1,momentum:0.9},{lr:1}]", [], "search.space.optimizer.momentum", "adamw has no"),
        (
            "optimizer:[{lr:0.1,momentum:0.9},{lr:1}]",
            ["optimizer=adamw,sgd"],
            "optimizer.momentum",
            f"{MOMENTUM.replace('adam', 'adamw')}optimizer.momentum: {{space: …, when: {{optimizer: sgd}}}}",
        ),
        ("callbacks:[{early_stoping:{patience:3}}]", [], "search.space.callbacks.early_stoping.patience", "no"),
        ("monitor:[{metrc:val/loss},{mode:min}]", [], "search.space.monitor.metrc", "mean 'monitor.metric'?"),
        ("", ["model={layers:1},{layers:2,unts:3}"], "model.unts", "did you mean 'model.units'?"),
    ],
)
def test_a_key_of_a_swept_mapping_is_looked_for_as_any_other(refused, space, words, key, rule):
    said = refused(*words, space=space)
    assert said.keys() == {key}
    assert rule in said[key]


def test_a_key_of_what_is_switched_off_is_told_so(refused):
    said = refused("callbacks=none", "callbacks.early_stopping.patience=1,2")
    assert (
        said["callbacks.early_stopping.patience"]
        .strip()
        .startswith("has no effect, as callbacks.early_stopping is null here; choose an option of callbacks")
    )


def test_a_misspelt_choice_is_refused_with_the_nearest(refused):
    said = refused("optimizer=sgd,adom", "data=digits,null", space="model:[mlpp]")
    assert "optimizer has no option adom; did you mean 'adam'? (there are adagrad, adam," in said["optimizer"]
    assert "data has no option null" in said["data"].strip()
    assert "did you mean 'mlp'?" in said["search.space.model"]


def test_what_is_added_and_what_has_no_value_yet_may_be_swept(refused):
    said = refused("+model.colour=1,2", "resume=a,b", "seed=x,y")
    assert "MLP takes no such argument" in said["model.colour"]
    assert "seed" in said


def test_a_sweep_that_changes_no_configuration_is_refused(refused):
    said = refused("seed=1,2", "optimizer=adam,adam.yaml")
    assert said.keys() == {"optimizer"}
    assert said["optimizer"].strip().startswith("has no effect: the configuration is the same whatever its value")


@pytest.mark.parametrize("numbers", ["range(1,3)", "tag(log,interval(1,2))", "interval(1,2)"])
def test_numbers_are_no_options(refused, numbers):
    assert refused(f"model={numbers}", "note=a,b")["model"].startswith("model has no option 1")
