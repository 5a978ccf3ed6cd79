import itertools

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from lightune.config.override_text import value_of_text, value_text
from lightune.errors import ConfigError
from lightune.study.space.reader import read_space

ODD = ["x,y", "a=b", "#c", "it's", 'q"q', "é ü 漢字", "a(b)", "{z}", "1", "true", "null", "1e5", "[1]", "${x}", ""]
TYPED = [*ODD, None, True, 1, 1.0, -2.5e-07, [1, "1"], {"a": [None, "b,c"]}, "back\\slash", " spaces ", "\\'"]


def lines(*arguments, **settings):
    space = read_space(arguments, **settings)
    return [space.overrides(point) for point in space.grid()]


def typed(line):
    return OverridesParser.create().parse_override(line).value()


@pytest.mark.parametrize("value", TYPED, ids=repr)
def test_a_value_in_yaml_reaches_the_trial_with_its_type(value):
    ((line, _), _) = lines("y=0", params={"+deep.key": [value, "other"]})
    assert line.startswith("+deep.key=")
    assert typed(line) == value
    assert type(typed(line)) is type(value)


@pytest.mark.parametrize("value", TYPED, ids=repr)
def test_a_value_on_the_command_line_reaches_the_trial_as_it_was_written(value):
    text = value_text(value)
    ((line,), _) = lines(f"++x.y={text},other")
    assert line == f"++x.y={text}"
    assert typed(line) == value_of_text(text) == value
    if value is not None:  # which Hydra's functions do not take
        ((line,), _) = lines(f"++x.y=choice({text},other)")
        assert typed(line) == value
        assert type(typed(line)) is type(value)


def test_values_that_compare_equal_stay_different():
    texts = ["1", "1.0", "'1'", "True", "'True'", "null", "'null'"]
    assert lines(f"x={','.join(texts)}") == [[f"x={text}"] for text in texts]
    assert len(read_space([f"x={','.join(texts)}"]).dimensions[0].distribution().choices) == len(texts)


@pytest.mark.parametrize(
    "arguments",
    [
        ["a=1,2", "b=x", "c=range(1,4)"],
        ["+a=range(3,0,-1)", "~b", "c=u,v"],
        ["a=range(0,1,0.1)", "b={k:1},{k:2}"],
        ["a=range(1.5,4)", "b=[1,2],[3]"],
        ["a=1,2", "a=3,4"],
        ["a=int(range(1.0,4.0))", "b=float(1,2)"],
    ],
)
def test_a_grid_is_hydras_own(arguments):
    parsed = OverridesParser.create().parse_overrides(arguments)
    (wanted,) = BasicSweeper.split_arguments(parsed, None)
    unchanged = {line for line in arguments if "~" in line}
    ours = [[line + "=null" if line in unchanged else line for line in point] for point in lines(*arguments)]
    assert ours == wanted


@pytest.mark.parametrize(
    ("sweep", "texts"),
    [("range(1,4)", ["1", "2", "3"]), ("range(0,1,0.25)", ["0.0", "0.25", "0.5", "0.75"])],
)
def test_a_range_means_the_same_to_every_sampler(sweep, texts):
    (dimension,) = read_space([f"x={sweep}"]).dimensions
    distribution = dimension.distribution()
    assert list(dimension.grid()) == texts
    inner = [distribution.low + index * distribution.step for index in range(len(texts))]
    assert inner[-1] == distribution.high
    assert [dimension.text(value) for value in inner] == texts


def test_floats_of_a_range_are_written_as_hydra_writes_them():
    (dimension,) = read_space(["x=range(0,1,0.1)"]).dimensions
    assert dimension.text(0.1 + 0.2) == "0.3"


def test_the_command_line_wins_over_yaml():
    space = {"x": "choice(1,2)", "y": "choice(3,4)"}
    assert lines("x=5", params=space) == [["y=3", "x=5"], ["y=4", "x=5"]]
    assert lines("+x=6,7", params=space)[0] == ["y=3", "+x=6"]


def test_a_condition_holds_where_its_keys_have_its_values():
    space = {
        "optimizer.momentum": {"space": "choice(0.5,0.9)", "when": {"optimizer": "sgd"}},
        "optimizer": "choice(sgd,adam)",
    }
    assert sorted(lines(params=space)) == [
        ["optimizer.momentum=0.5", "optimizer=sgd"],
        ["optimizer.momentum=0.9", "optimizer=sgd"],
        ["optimizer=adam"],
    ]
    assert lines("optimizer=adam", params=space, fixed=lambda key: "adam") == [["optimizer=adam"]]
    assert len(lines("optimizer=sgd", params=space, fixed=lambda key: "sgd")) == 2


def test_conditions_can_stand_on_conditions():
    space = {
        "c": {"space": [5, 6], "when": {"b": [2]}},
        "b": {"space": [1, 2], "when": {"a": True}},
        "a": [True, False],
    }
    assert len(lines(params=space)) == 4
    assert read_space([], params=space).size() == 4


@pytest.mark.parametrize(
    ("arguments", "params", "key", "rule"),
    [
        (
            [],
            {"x": {"space": [1, 2], "when": {"y": 1}}, "y": {"space": [1], "when": {"x": 1}}},
            "x",
            "break the circle",
        ),
        ([], {"x": {"space": [1, 2], "when": {"x": 1}}}, "x", "break the circle"),
        (["y=a,b"], {"x": {"space": [1, 2], "when": {"yy": "a"}}}, "search.space.x", "which is no key here"),
        (["y=a,b"], {"x": {"space": [1, 2], "when": {"y": "c"}}}, "search.space.x", "y=c, which is none of a, b"),
    ],
)
def test_an_unsound_space_is_refused_by_its_key(arguments, params, key, rule):
    with pytest.raises(ConfigError) as refusal:
        read_space(arguments, params=params)
    assert refusal.value.problems[0].key == key
    assert rule in refusal.value.problems[0].message


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError) as refusal:
        read_space(["x=interval(3,1)", "y=range(3,1)"], params={"z": []})
    assert [problem.key for problem in refusal.value.problems] == ["x", "y", "z"]


def test_points_of_ones_own_are_checked():
    space = read_space(["x=interval(0,1)", "+y=a,'1',1", "z=range(0,1,0.5)"])
    assert space.point_of({"x": 0.5, "y": "a", "z": 0.5}) == {"x": "0.5", "+y": "a", "z": "0.5"}
    assert space.point_of({"y": "1"}) == {"+y": "'1'"}
    assert space.point_of({"y": 1}) == {"+y": "1"}
    for point, rule in [
        ({"x": 2}, "x must be a number from 0.0 to 1.0, got 2"),
        ({"yy": 1}, "yy is not swept; did you mean 'y'?"),
        ({"z": 0.3}, "z must be one of the numbers"),
    ]:
        with pytest.raises(ConfigError, match=r"search\.enqueue") as refusal:
            space.point_of(point)
        assert rule in str(refusal.value)


def test_a_grid_has_as_many_points_as_it_says():
    space = read_space(["a=1,2", "b=range(0,5)", "c=x,y,z"])
    assert space.size() == len(list(space.grid())) == len(list(itertools.product(range(2), range(5), range(3))))
    assert read_space(["a=interval(0,1)"]).size() is None
