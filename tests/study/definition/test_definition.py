"""What a multirun's configuration says of a study."""

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import open_dict, read_write

from lightune.errors import ConfigError
from lightune.study.definition.definition import read_definition
from lightune.study.definition.identity import overrides_of
from lightune.study.definition.settings import Objective
from lightune.study.messages import LIGHTUNE, OTHERS
from lightune.study.space.dimensions import Choice, Interval


@pytest.fixture
def read(train_multirun):
    """Read a study of the application that trains."""
    loader = GlobalHydra.instance().config_loader()

    def call(*overrides):
        config = train_multirun(*overrides)
        return read_definition(config, loader, overrides_of(config, "task"))

    return call


def test_a_study_is_its_settings_and_the_space_of_yaml_and_the_command_line(read):
    overrides = ["optimizer.lr=interval(1e-3,1)", "search.seed=7", "+search.space={model.units:[8,9]}"]
    study = read(*overrides)
    assert (study.settings.seed, study.arguments) == (7, tuple(overrides))
    units, lr = study.space.dimensions
    assert (units, lr) == (Choice("model.units", ("8", "9")), Interval("optimizer.lr", 1e-3, 1))
    assert study.space.overrides({"model.units": "8", "optimizer.lr": "0.1"}) == [
        "model.units=8", "optimizer.lr=0.1", *overrides[1:]
    ]  # fmt: skip
    assert study.space.vocabulary is study.settings.vocabulary is LIGHTUNE


def test_a_space_speaks_in_the_words_of_its_application(train_multirun):
    config = train_multirun()
    with read_write(config), open_dict(config):
        del config["search"]
    study = read_definition(config, GlobalHydra.instance().config_loader(), ["seed=1,2"])
    assert study.space.vocabulary is study.settings.vocabulary is OTHERS


def test_a_shuffled_order_is_that_of_the_studys_seed(read):
    def order(seed):
        return read("seed=shuffle(range(0,20))", f"search.seed={seed}").space.dimensions[0].grid()

    assert order(1) == order(1) != order(2)


def test_a_glob_stands_for_the_options_that_there_are(read):
    (model,) = read("model=glob(*,exclude=c*)").space.dimensions
    assert "mlp" in model.texts
    assert "cnn" not in model.texts


@pytest.mark.parametrize(
    ("condition", "others", "keys"),
    [
        ("optimizer:sgd", ["optimizer=sgd"], {"seed"}),
        ("optimizer:sgd", ["optimizer=adam"], set()),
        ("trainer.max_epochs:3", ["trainer.max_epochs=3"], {"seed"}),
        ("trainer.max_epochs:3", ["trainer.max_epochs=4"], set()),
    ],
)
def test_a_condition_on_what_is_not_swept_looks_at_the_choices_and_at_the_configuration(
    read, condition, others, keys
):
    study = read(f"+search.space={{seed:{{space:[1,2],when:{{{condition}}}}}}}", *others)
    assert {key for point in study.space.grid() for key in point} == keys


def test_wrong_settings_come_before_a_wrong_space_and_all_of_each_at_once(read):
    with pytest.raises(ConfigError) as refusal:
        read("search.n_trials=0", "search.retries=-1", "seed=range(3,1)")
    assert [problem.key for problem in refusal.value.problems] == ["search.n_trials", "search.retries"]
    with pytest.raises(ConfigError) as refusal:
        read("seed=range(3,1)", "optimizer.lr=interval(2,1)")
    assert [problem.key for problem in refusal.value.problems] == ["seed", "optimizer.lr"]


@pytest.mark.parametrize(("change", "same"), [([], True), (["search.n_trials=3"], False)])
def test_a_study_is_that_of_a_configuration_that_says_the_same(read, train_multirun, change, same):
    study = read("seed=1,2")
    assert study.is_that_of(train_multirun("seed=1,2", *change), ["seed=1,2"]) is same
    assert not study.is_that_of(train_multirun("seed=1,2"), ["seed=1,3"])


@pytest.mark.parametrize(
    "words", [["data=diabetes"], ["data=choice(diabetes)"], ["experiment=diabetes_regression"]]
)
def test_a_study_seeks_what_its_trials_are_judged_by(read, words):
    assert read(*words, "seed=0,1").settings.objectives == (Objective("val/rmse", "min"),)


def test_a_space_that_all_swept_options_bring_is_searched(read):
    definition = read("++search={space: {seed: [1, 2]}},{space: {seed: [1, 2]}, retries: 0}")
    assert [dimension.key for dimension in definition.space.dimensions] == ["seed", "++search"]


def test_what_cannot_be_composed_is_left_to_whoever_composes_it(read):
    assert read("data=nowhere,wine").space.size() == 2


def test_a_storage_keeps_its_password_where_the_overrides_hide_it(train_multirun):
    words = ["data=choice(wine)", "search.storage='sqlite:///x?password={}'"]
    config = train_multirun(*(word.format("hunter2") for word in words))
    study = read_definition(config, GlobalHydra.instance().config_loader(), [word.format("***") for word in words])
    assert study.settings.storage == "sqlite:///x?password=hunter2"
