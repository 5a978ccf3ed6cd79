"""The space of a study, judged before anything is started: each end of what is swept, one key at a time."""

import pytest
from refusals import problem_of

from lightune.errors import ConfigError
from lightune.study.preflight import judged_definition


@pytest.fixture
def judged(train_multirun):
    """Judge a study of the application that trains, with a space in YAML and on the command line."""

    def call(*overrides, space=""):
        return judged_definition(train_multirun(f"+search.space={{{space}}}", *overrides))

    return call


@pytest.fixture
def said(judged):
    """Return what is wrong with a space, key → rules."""

    def call(*overrides, space=""):
        _, problems = judged(*overrides, space=space)
        rules = {}
        for problem in problems:
            rules.setdefault(problem.key, []).append(problem.message)
        return rules

    return call


def only(rules):
    """Return key → rule where each key has one."""
    assert all(len(each) == 1 for each in rules.values()), rules
    return {key: each[0] for key, each in rules.items()}


def test_a_sound_space_comes_with_what_the_study_is(judged):
    definition, problems = judged("optimizer.lr=interval(1e-3,1)", "search.seed=7", space="model.units:[8,9]")
    assert problems == []
    assert definition.settings.seed == 7
    assert [dimension.key for dimension in definition.space.dimensions] == ["model.units", "optimizer.lr"]


@pytest.mark.parametrize(
    ("sweep", "rules"),
    [
        ("optimizer.lr=interval(-1,1)", ["got -1.0"]),
        ("optimizer.lr=0.1,0.2,-1,0.3", ["got -1"]),
        ("optimizer.weight_decay=range(-3,3)", ["got -3"]),
        ("model.dropout=interval(0.0,2.0)", ["got 2.0"]),
        ("model.dropout=choice(-1.0,0.0,3.0)", ["got -1.0", "got 3.0"]),
        ("optimizer.lr=range(0.5,-0.5,-0.25)", ["got -0.25"]),
    ],
)
def test_the_ends_of_what_is_swept_and_each_listed_value_are_judged(said, sweep, rules):
    (found,) = said(sweep).values()
    assert [any(rule in each for each in found) for rule in rules] == [True] * len(rules)
    assert len(found) == len(rules)


@pytest.mark.parametrize("values", ["0.2,0.6", "0.6,0.2"])
def test_a_value_that_cannot_stand_beside_certain_others_only_is_left_to_its_trial(said, values):
    fractions = [f"validation.{part}_fraction={values}" for part in ("val", "test")]
    assert said(*fractions) == {}
    assert said("validation.val_fraction=0.2,1.5", fractions[1]).keys() == {"validation.val_fraction"}


def test_what_is_wrong_wherever_one_looks_is_said_once(said):
    rules = only(said("seed=1,2,3", "model=mlp,cnn", "trainer.max_epochs=-1"))
    assert rules.keys() == {"trainer.max_epochs"}


def test_a_key_under_a_condition_is_judged_where_the_condition_holds(said):
    space = "optimizer:[adam,sgd],optimizer.momentum:{space:[0.5,-2.0],when:{optimizer:sgd}}"
    assert only(said(space=space)).keys() == {"optimizer.momentum"}


def test_a_condition_may_stand_on_what_has_a_condition_itself(said):
    space = "seed:{space:[1,x],when:{trainer.max_epochs:3}},trainer.max_epochs:{space:[2,3],when:{model:cnn}},"
    rules = only(said("data=digits", space=f"{space}model:[mlp,cnn]"))
    assert rules.keys() == {"seed"}


def test_all_that_is_missing_comes_with_all_the_rest(said):
    rules = said("seed=0,x", "optimizer=sgd,adom", space="model.unitts:[1,2],optimizer.lr:[-1]")
    assert rules.keys() == {"seed", "optimizer", "search.space.model.unitts", "optimizer.lr"}


@pytest.mark.long
def test_what_is_not_judged_for_its_number_is_not_taken_for_one_without_effect(said):
    seeds = ",".join(map(str, range(250)))
    assert said(f"seed={seeds}", "optimizer.lr=0.1,0.01") == {}


def test_what_each_trial_finds_is_not_swept(said):
    rules = only(said("trainer.lr_find=true", "optimizer.lr=interval(1e-3,1)", "model.units=8,9"))
    assert rules == {
        "optimizer.lr": "is found by trainer.lr_find=true in each trial, whatever is swept; remove it, or set "
        "trainer.lr_find=false"
    }
    assert said("trainer.lr_find=true", "model.units=8,9") == {}


def test_a_grid_of_an_interval_is_refused_by_what_chose_it(judged):
    with pytest.raises(ConfigError) as refusal:
        judged("search=grid", "optimizer.lr=interval(0.1,1)", "seed=0,x")
    (problem,) = refusal.value.problems
    assert (problem.key, "optimizer.lr is an interval" in problem.message) == ("search", True)


def test_a_space_that_is_not_sound_is_refused_before_it_is_judged(judged):
    with pytest.raises(ConfigError) as refusal:
        judged("seed=range(3,1)", "optimizer.lr=interval(1,0.1)")
    assert [problem.key for problem in refusal.value.problems] == ["seed", "optimizer.lr"]


def test_a_key_is_named_as_it_stands_on_the_command_line_or_in_yaml(said):
    assert said("optimizer.lrr=1,2", space="model.unitts:[1,2]").keys() == {
        "optimizer.lrr", "search.space.model.unitts"
    }  # fmt: skip


def test_a_misspelt_space_is_not_laid_to_the_points_to_try_first(train_multirun):
    points = ["+search.spaces={optimizer:[sgd]}", "search.enqueue=[{optimizer:sgd}]"]
    _, problems = judged_definition(train_multirun(*points))
    assert [problem.key for problem in problems] == ["search.spaces"]
    assert "did you mean 'space'?" in problems[0].message


def test_points_to_try_first_want_something_that_is_searched(said):
    rules = only(said("search.enqueue=[{optimizer:sgd}]"))
    assert rules["search.enqueue[0]"].startswith("optimizer is not swept, and nothing else is; name what is")


def test_each_point_to_try_first_is_checked_against_the_space(said):
    points = "search.enqueue=[{optimizer:sgd},{optimzer:sgd},{optimizer:gd,optimizer.lr:3}]"
    rules = said(points, "optimizer=sgd,adam", "optimizer.lrr=1,2", "optimizer.lr=interval(0.1,1)")
    assert rules.keys() == {"search.enqueue[1]", "search.enqueue[2]", "optimizer.lrr"}
    (rule,) = rules["search.enqueue[1]"]
    assert "did you mean 'optimizer'? (what is: optimizer, optimizer.lrr, optimizer.lr)" in rule
    assert rules["search.enqueue[2]"] == [
        "optimizer must be one of sgd, adam, got 'gd'",
        "optimizer.lr must be a number from 0.1 to 1.0, got 3",
    ]


def test_what_is_judged_has_no_password(train_multirun):
    url = "postgresql://me:hunter2@host/db"
    definition, problems = judged_definition(train_multirun("seed=1,2", f"search.storage='{url}'"))
    assert problems == []
    assert definition.settings.storage == url  # with which it is opened
    assert definition.arguments == ("seed=1,2", "search.storage='postgresql://me:***@host/db'")


@pytest.mark.parametrize("words", [["search=tpe"], ["search=random", "search.n_trials=3"]])
def test_a_search_of_nothing_is_refused(judged, words):
    key, message = problem_of(judged, *words)
    assert (key, message.startswith("has nothing to search")) == ("search", True)


def test_a_grid_of_nothing_is_one_trial(said):
    assert said() == {}
