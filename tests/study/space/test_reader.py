import pytest

from lightune.study.space.reader import read_space


def lines(*arguments, **settings):
    space = read_space(arguments, **settings)
    return [space.overrides(point) for point in space.grid()]


def test_a_mapping_is_a_value_whose_keys_move_together():
    assert lines("model={layers: 1, units: 8},{layers: 2, units: 16}") == [
        ["model={layers:1,units:8}"],
        ["model={layers:2,units:16}"],
    ]


def test_a_group_and_mappings_of_it_are_swept_side_by_side():
    space = read_space(["model=mlp,cnn", "model={units: 1},{units: 2}", "model={layers: 3},{dropout: 4}"])
    assert [each.key for each in space.dimensions] == ["model", "model{units}", "model{layers,dropout}"]
    assert space.overrides(list(space.grid())[-1]) == ["model=cnn", "model={units:2}", "model={dropout:4}"]
    same = read_space(["model={a: 1},{b: 2}", "model={a: 3},{b: 4}"])
    assert len({each.key for each in same.dimensions}) == 2


def test_every_word_reaches_the_trial_in_its_place():
    words = ["model=cnn", "model.units=1", "model={units: 2}", "+a=3", "a=4", "~b"]
    assert lines(*words, "seed=5,6")[1] == [*words, "seed=6"]


@pytest.mark.parametrize(
    ("words", "points"),
    [
        (["x=1,2", "x=3"], [["x=3"]]),
        (["x=1,2", "x=interval(3,4)"], None),
        (["+x=1,2", "x=3"], [["+x=1", "x=3"]]),
        (["m.x=1,2", "m={x: 3, y: 4}"], [["m={x: 3, y: 4}"]]),
        (["m={x: 1},{x: 2}", "m.x=3"], [["m.x=3"]]),
        (["m={x: 1},{x: 2}", "m={x: 3},{x: 4}"], [["m={x:3}"], ["m={x:4}"]]),
    ],
    ids=str,
)
def test_a_sweep_that_a_later_word_takes_the_place_of_is_said(words, points):
    space = read_space(words)
    assert space.remarks == (f"{words[0]} is not searched: {words[1]} comes later and takes its place",)
    assert points is None or lines(*words) == points


@pytest.mark.parametrize(
    "words",
    [
        ["m={x: 1},{y: 2}", "m.x=3"],
        ["m={x: 1},{x: 2}", "m={x: 3},{y: 4}"],
        ["m=a,b", "m={x: 1}"],
        ["m={x: 1},{x: 2}", "m=a"],
        ["x=3", "x=1,2"],
    ],
    ids=str,
)
def test_a_sweep_that_still_decides_something_is_kept(words):
    space = read_space(words)
    assert space.remarks == ()
    assert space.size() >= 2


def test_what_the_command_line_takes_out_of_the_space_in_yaml_is_said():
    space = read_space(["x=5"], params={"x": [1, 2], "y": [3, 4]})
    assert space.remarks == ("search.space.x is not searched: x=5 comes later and takes its place",)


def test_a_condition_may_ask_for_what_a_mapping_sets():
    params = {"dropout": {"space": [0.1, 0.2], "when": {"model.layers": 2}}}
    words = ["model={layers: 1},{layers: 2},{units: 3}"]
    space = read_space(words, params=params, fixed={"model.layers": 2}.get)
    assert [len(point) for point in space.grid()] == [1, 2, 2, 2, 2]


def test_a_key_whose_condition_no_trial_meets_is_said():
    params = {"momentum": {"space": [0.1, 0.2], "when": {"optimizer": ["sgd", "gd"]}}}
    space = read_space(["optimizer=adam"], params=params, fixed={"optimizer": "adam"}.get)
    assert space.remarks == (
        "search.space.momentum is not searched: optimizer is adam in all trials, not sgd or gd",
    )
    assert read_space([], params=params, fixed={"optimizer": "sgd"}.get).remarks == ()
