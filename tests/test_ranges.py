import math
from typing import get_args

import pytest

from lightune import ranges
from lightune.ranges import Range


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ({"gt": 0}, [1e-9, 5, math.inf], [0, -1]),
        ({"ge": 0}, [0, 5], [-1e-9]),
        ({"lt": 1}, [0.999, -5], [1, 2]),
        ({"le": 1}, [1, -5], [1.001]),
        ({"ge": 0, "lt": 1}, [0, 0.5], [1, -0.1]),
        ({"gt": 0, "le": 1}, [1, 0.5], [0, 1.1]),
        ({}, [-math.inf, 0, math.inf], []),
    ],
)
def test_a_range_holds_what_lies_between_its_bounds(bounds, inside, outside):
    assert all(value in Range(**bounds) for value in inside)
    assert all(value not in Range(**bounds) for value in outside)


def test_nan_is_in_no_range():
    assert math.nan not in Range()
    assert math.nan not in Range(ge=0)
    assert math.nan not in Range(lt=0)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"gt": 0}, "> 0"),
        ({"ge": 0}, ">= 0"),
        ({"lt": 2.5}, "< 2.5"),
        ({"le": 1}, "<= 1"),
        ({"ge": 0, "lt": 1}, "in [0, 1)"),
        ({"gt": 0, "le": 0.5}, "in (0, 0.5]"),
        ({"gt": 0, "lt": 1}, "in (0, 1)"),
        ({"ge": 0, "le": 4294967295}, "in [0, 4294967295]"),
        ({}, "of any size"),
    ],
)
def test_a_range_reads_as_the_rule_it_is(bounds, text):
    assert str(Range(**bounds)) == text


@pytest.mark.parametrize(
    ("name", "kind", "inside", "outside"),
    [
        ("PositiveInt", int, [1], [0]),
        ("NonNegativeInt", int, [0], [-1]),
        ("PositiveFloat", float, [0.1], [0.0]),
        ("NonNegativeFloat", float, [0.0], [-0.1]),
        ("Probability", float, [0.0, 0.99], [1.0, -0.1]),
        ("Fraction", float, [0.01, 0.99], [0.0, 1.0]),
        ("UnitInterval", float, [0.0, 1.0], [-0.1, 1.1]),
    ],
)
def test_each_name_bounds_its_kind_of_number(name, kind, inside, outside):
    base, bounds = get_args(getattr(ranges, name))
    assert base is kind
    assert all(value in bounds for value in inside)
    assert all(value not in bounds for value in outside)
