"""A space is judged at its first point and at each other end, one key at a time."""

from lightune.study.space.ends import ends_of
from lightune.study.space.reader import read_space


def ends(*arguments, **params):
    return [(end.point, end.keys) for end in ends_of(read_space(arguments, params=params))]


def test_the_ends_are_the_first_point_and_each_other_value_alone():
    first = {"x": "1", "y": "a"}
    assert ends("x=1,2,3", "y=a,b") == [
        (first, ("x", "y")),
        ({**first, "x": "2"}, ("x",)),
        ({**first, "x": "3"}, ("x",)),
        ({**first, "y": "b"}, ("y",)),
    ]


def test_an_interval_has_two_ends():
    assert [point["x"] for point, _ in ends("x=interval(0,5)")] == ["0.0", "5.0"]


def test_what_a_condition_asks_for_stands_beside_the_value():
    when = {"space": "choice(8,9)", "when": {"kind": "deep"}}
    points = [point for point, _ in ends(kind="choice(flat,deep)", units=when)]
    assert {"kind": "deep", "units": "9"} in points
    assert {"kind": "flat"} in points


def test_of_many_values_the_first_are_judged():
    assert len(ends("x=range(0,1000)", f"y={','.join(map(str, range(500)))}")) == 201
