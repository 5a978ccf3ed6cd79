"""How a study searches, as `search` and `hydra.sweeper` say it."""

import pytest
from omegaconf import OmegaConf, open_dict, read_write

from hydra_plugins.hydra_lightune.sweeper import LightuneSweeperConf
from lightune.errors import ConfigError
from lightune.study.definition.settings import Objective, Settings
from lightune.study.messages import LIGHTUNE, OTHERS


def other(**sweeper):
    """Return the configuration of an application without `search`."""
    config = OmegaConf.create({"hydra": {"sweeper": OmegaConf.structured(LightuneSweeperConf())}})
    OmegaConf.set_struct(config, False)
    for key, value in sweeper.items():
        config.hydra.sweeper[key] = value
    return config


def problems_of(read):
    with pytest.raises(ConfigError) as refusal:
        read()
    return {problem.key: problem.message for problem in refusal.value.problems}


def test_a_study_of_any_application_has_defaults():
    assert Settings.from_config(other()) == Settings(objectives=(Objective(None, "min"),), vocabulary=OTHERS)


def test_hyperbands_resource_is_the_epochs(settings_of):
    settings = settings_of("search=hyperband", "trainer.max_epochs=27")
    assert (settings.pruner["min_resource"], settings.pruner["max_resource"]) == (1, 27)


def test_the_command_line_wins_over_an_option(settings_of):
    settings = settings_of(
        "search=tpe", "search.n_trials=3", "search.seed=7", "hydra.sweeper.sampler.n_startup_trials=4"
    )
    assert (settings.n_trials, settings.seed, settings.sampler["n_startup_trials"]) == (3, 7, 4)
    assert settings.vocabulary is LIGHTUNE


@pytest.mark.parametrize(("mode", "direction"), [("min", "minimize"), ("max", "maximize")])
def test_the_objective_is_what_is_monitored(settings_of, mode, direction):
    (objective,) = settings_of("monitor.metric=val/f1", f"monitor.mode={mode}").objectives
    assert (objective, objective.direction) == (Objective("val/f1", mode), direction)


def test_several_objectives_take_the_place_of_the_one(settings_of):
    pairs = "[{metric:val/loss,mode:min},{metric:parameters,mode:min}]"
    assert settings_of(f"search.objectives={pairs}").objectives == (
        Objective("val/loss", "min"),
        Objective("parameters", "min"),
    )


def test_a_space_may_stand_in_the_params_that_hydras_sweepers_have():
    config = other(params={"x": "choice(1,2)", "y": "choice(3,4)"}, space={"y": "range(0,3)", 5: [1, 2]})
    assert Settings.from_config(config).space == {"x": "choice(1,2)", "y": "range(0,3)", "5": [1, 2]}


def test_points_to_try_first_keep_their_types_and_their_order():
    assert Settings.from_config(other(enqueue=[{"x": 1.5, "y": "1"}, {}])).enqueue == ({"x": 1.5, "y": "1"}, {})


@pytest.mark.parametrize("key", ["sampler", "pruner"])
def test_a_sampler_and_a_pruner_are_read_with_what_they_refer_to(key):
    config = other(**{key: {"_target_": "optuna.a.B", "seed": "${n}"}})
    config.n = 7
    assert getattr(Settings.from_config(config), key) == {"_target_": "optuna.a.B", "seed": 7}


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("n_trials", 0, "must be a whole number > 0 or null, got 0"),
        ("seed", 2**32, "got 4294967296"),
        ("timeout", "soon", "got soon"),
        ("max_failures", 1.5, "got 1.5"),
        ("space", [1], "must be a mapping of key: sweep, got [1]"),
        ("space", "x", "must be a mapping of key: sweep, got x"),
        ("enqueue", {"x": 1}, "must be a list of mappings of key: value, got"),
        ("enqueue", [1], "must be a list of mappings of key: value, got [1]"),
        ("pruner", "median", "must be a mapping whose _target_ is one of optuna.pruners, got median"),
        ("pruner", {"n": 1}, "must be a mapping whose _target_ is one of optuna.pruners"),
        ("objectives", [], "must be a list of mappings with metric and mode, got []"),
        ("objectives", "val/loss", "must be a list of mappings with metric and mode, got val/loss"),
    ],
)
@pytest.mark.parametrize("ours", [True, False])
def test_a_value_that_means_nothing_is_refused_by_the_key_that_the_application_has(key, value, rule, ours):
    config = other(**{key: value})
    if ours:
        config.search = {"n_trials": 3}
    ((where, said),) = problems_of(lambda: Settings.from_config(config)).items()
    assert (where, rule in said) == (f"{'search' if ours else 'hydra.sweeper'}.{key}", True), said


@pytest.mark.parametrize(
    "pair", ["val/loss", {"metric": "a"}, {"metric": "a", "mode": "up"}, {"metric": "a", "mode": "min", "more": 1}]
)
def test_an_objective_without_its_metric_and_mode_is_refused_by_its_number(pair):
    said = problems_of(lambda: Settings.from_config(other(objectives=[{"metric": "b", "mode": "max"}, pair])))
    assert said.keys() == {"hydra.sweeper.objectives[1]"}
    assert said["hydra.sweeper.objectives[1]"].startswith("must have a metric and a mode of min or max, got ")


def test_a_mode_that_is_none_is_refused():
    assert "hydra.sweeper.objectives[0]" in problems_of(lambda: Settings.from_config(other(mode="best")))


def test_a_pruner_beside_several_objectives_is_refused_with_what_to_set():
    pairs = [{"metric": name, "mode": "min"} for name in "ab"]
    said = problems_of(lambda: Settings.from_config(other(objectives=pairs, pruner={"_target_": "optuna.p.P"})))
    assert said["hydra.sweeper.pruner"] == (
        "cannot stand beside several objectives, of which none says when to stop; set hydra.sweeper.pruner=null"
    )


def test_all_that_is_wrong_is_said_at_once(train_multirun):
    config = train_multirun("search.n_trials=0", "search.retries=-1", "search.study=../x", "search.enqueue=[1]")
    with read_write(config), open_dict(config.search):
        config.search.space = 3
    said = problems_of(lambda: Settings.from_config(config))
    assert said.keys() == {f"search.{key}" for key in ("n_trials", "retries", "study", "space", "enqueue")}
