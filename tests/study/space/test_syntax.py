"""Hydra's syntax for sweeps as dimensions: on the command line and in YAML, values and texts there and back."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from lightune.config.override_text import parse_override, value_of_text
from lightune.errors import ConfigError
from lightune.paths import conf_dir
from lightune.study.space.dimensions import Choice, Interval, Steps
from lightune.study.space.syntax import dimension_from_override, dimension_from_yaml


def swept(text, **how):
    return dimension_from_override(parse_override(f"x={text}"), **how)


def refused(call, *arguments):
    with pytest.raises(ConfigError) as refusal:
        call(*arguments)
    (problem,) = refusal.value.problems
    assert problem.key == "x"
    return problem.message


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("1,2", Choice("x", ("1", "2"))),
        ("choice(a,'1')", Choice("x", ("a", "'1'"))),
        ("a,null,true", Choice("x", ("a", "null", "True"))),
        ("1,1,2", Choice("x", ("1", "2"))),
        ("sort(3,1,2)", Choice("x", ("1", "2", "3"))),
        ("str(1,2)", Choice("x", ("'1'", "'2'"))),
        ("[1,2],[3]", Choice("x", ("[1,2]", "[3]"))),
        ("range(0,6,2)", Steps("x", range(0, 6, 2), 2)),
        ("range(3,0,-1)", Steps("x", range(3, 0, -1), 1)),
        ("sort(range(3,0,-1))", Steps("x", range(1, 4), 1)),
        ("shuffle(range(0,1))", Choice("x", ("0",))),
        ("interval(0,1)", Interval("x", 0.0, 1.0)),
        ("int(interval(1,8))", Interval("x", 1, 8)),
        ("tag(log,interval(1e-4,1e-1))", Interval("x", 1e-4, 1e-1, log=True)),
    ],
)
def test_a_sweep_is_a_dimension(text, dimension):
    assert swept(text) == dimension
    assert dimension_from_yaml("x", text) == dimension
    if isinstance(dimension, Interval):  # 0 and 0.0 are one
        assert swept(text).whole is dimension.whole


def test_a_key_keeps_its_sign():
    assert dimension_from_override(parse_override("++a.b=1,2")).key == "++a.b"


def test_a_range_of_floating_numbers_has_hydras_numbers():
    steps = swept("range(0,0.5,0.1)")
    assert (steps.step, list(steps.grid())) == (0.1, ["0.0", "0.1", "0.2", "0.3", "0.4"])


def test_a_range_too_fine_for_floating_numbers_is_a_choice_of_its_numbers():
    fine = swept("range(1,1.0000000000000006,0.0000000000000001)")
    assert isinstance(fine, Choice)


def test_values_that_compare_equal_stay_different():
    texts = ("1", "1.0", "'1'", "True", "'True'", "null", "'null'")
    assert swept(",".join(texts)).texts == texts


def test_an_interval_of_whole_numbers_gives_whole_numbers():
    assert swept("int(interval(1,8))").text(3.0) == "3"
    assert value_of_text(swept("tag(log,interval(1e-4,1e-1))").text(1e-05)) == 1e-05


@pytest.mark.parametrize("text", ["shuffle(range(0,20))", "shuffle(choice(a,b,c,d,e,f,g,h))"])
def test_shuffled_values_keep_their_order_from_start_to_start(text):
    ordered = swept(text.removeprefix("shuffle(").removesuffix(")"))
    orders = [swept(text, seed=seed).texts for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert all(sorted(order) == sorted(ordered.grid()) for order in orders)
    assert dimension_from_yaml("x", text, seed=2).texts == orders[2]


def test_a_glob_stands_for_the_options_that_there_are():
    with initialize_config_dir(str(conf_dir().absolute()), job_name="train"):
        loader = GlobalHydra.instance().config_loader()
        model = dimension_from_yaml("model", "glob(*,exclude=c*)", loader)
        assert "mlp" in model.texts
        assert "cnn" not in model.texts
        assert dimension_from_override(parse_override("model=glob(*,exclude=c*)", loader)) == model


@pytest.mark.parametrize(
    ("node", "dimension"),
    [
        ([1, "1", 1, None], Choice("x", ("1", "'1'", "null"))),
        (5, Choice("x", ("5",))),
        (True, Choice("x", ("True",))),
        (None, Choice("x", ("null",))),
        ({"space": "range(0,3)"}, Steps("x", range(3), 1)),
        ({"space": [1], "when": None}, Choice("x", ("1",))),
        ({"space": [1], "when": {"y": "a", "z": [1, "1"]}}, Choice("x", ("1",), {"y": ("a",), "z": (1, "1")})),
        ({"space": "interval(0,1)", "when": {"y": True}}, Interval("x", 0.0, 1.0, when={"y": (True,)})),
    ],
    ids=str,
)
def test_a_node_of_yaml_is_a_dimension(node, dimension):
    assert dimension_from_yaml("x", node) == dimension


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("interval(3,1)", "begins at its lower end, got 3.0 and 1.0"),
        ("interval(0,inf)", "finite ends"),
        ("tag(log,interval(0,1))", "begins above 0, got 0.0"),
        ("tag(lg,interval(1,2))", "has the tag 'lg', which means nothing; the one that does is 'log'"),
        ("tag(log,choice(1,2))", "has the tag 'log', which belongs to an interval"),
        ("range(3,1)", "has no value to try"),
        ("range(0.5,0.1)", "has no value to try"),
        ("range(1,3,0)", "a step other than 0"),
    ],
)
def test_a_sweep_that_cannot_be_searched_is_refused_with_its_line(text, rule):
    for said in (refused(swept, text), refused(dimension_from_yaml, "x", text)):
        assert rule in said
        assert said.endswith(f"(in x={text})")


@pytest.mark.parametrize("line", ["~model=cnn,[mlp]", "~optimizer.lr=1,2"])
def test_a_removal_is_not_swept(line):
    (override,) = OverridesParser.create().parse_overrides([line])
    key = line.partition("=")[0]
    with pytest.raises(ConfigError, match="removes something, which all trials have or none") as refusal:
        dimension_from_override(override)
    assert [problem.key for problem in refusal.value.problems] == [key]
    assert f"type {key} alone (in {line})" in str(refusal.value)


@pytest.mark.parametrize(
    ("node", "rule"),
    [
        ("choice(1,", "is not in Hydra's syntax ("),
        ("5", "must be a choice, a range or an interval, got '5'; one value belongs outside of the space"),
        ([], "has no value to try, got []"),
        ({"spaces": "choice(1,2)"}, "a mapping has the keys space and when, got spaces"),
        ({"space": [1], "whem": {}}, "a mapping has the keys space and when, got space, whem"),
        ({"space": "choice(1,2)", "when": 3}, "when must be a mapping of key: value, got 3"),
        ({"space": []}, "has no value to try, got []"),
    ],
    ids=str,
)
def test_a_node_of_yaml_that_is_no_space_is_refused(node, rule):
    said = refused(dimension_from_yaml, "x", node)
    assert rule in said
    assert "\n" not in said
