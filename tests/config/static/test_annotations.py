import ast
from typing import Annotated, Any, Literal

import pytest

from lightune.config.static.annotations import Opaque, evaluate, mismatch, or_null, show
from lightune.ranges import NonNegativeInt, PositiveFloat, PositiveInt, Probability, Range

FITS = [
    (3, int),
    (3, float),
    (0.5, float),
    ("a", str),
    (True, bool),
    (None, int | None),
    (None, None),
    ("max", Literal["min", "max"]),
    ([1, 2], list[int]),
    ([0.9, 0.999], tuple[Probability, Probability]),
    ([1, 2, 3], tuple[int, ...]),
    ({"a": 1}, dict),
    ("full", PositiveInt | Literal["full"]),
    (64, PositiveInt | Literal["full"]),
    (1e-3, float | Opaque),
    ("anything", Any),
]
DOES_NOT_FIT = [
    (True, int, "a whole number"),
    (1.0, int, "a whole number"),
    ("1", int, "a whole number"),
    (float("nan"), float, "a finite number"),
    (float("inf"), float, "a finite number"),
    (False, float, "a finite number"),
    (1, str, "text"),
    (1, bool, "true or false"),
    (None, int, "a whole number"),
    (0, PositiveInt, "a whole number > 0"),
    (-1, NonNegativeInt, "a whole number >= 0"),
    (0.0, PositiveFloat, "a finite number > 0"),
    (1.0, Probability, "a finite number in [0, 1)"),
    ("zzz", Literal["min", "max"], "one of min, max"),
    (1, Literal[True], "one of true"),
    ([0.9], tuple[Probability, Probability], "a list of 2, each item a finite number in [0, 1)"),
    ([1, "a"], list[int], "a list, each item a whole number"),
    ("abc", float | Opaque, "a finite number"),
    (0, PositiveInt | Literal["full"], "a whole number > 0 or one of full"),
]


@pytest.mark.parametrize(("value", "annotation"), FITS)
def test_takes_what_fits(value, annotation):
    assert mismatch(value, annotation) is None


@pytest.mark.parametrize(("value", "annotation", "words"), DOES_NOT_FIT)
def test_says_what_a_value_should_have_been(value, annotation, words):
    assert mismatch(value, annotation) == f"must be {words}"


def test_not_a_number_fits_nothing():
    assert mismatch(float("nan"), Any) is not None


def test_offers_the_nearest_choice():
    assert mismatch("rellu", Literal["relu", "tanh"]) == "must be one of relu, tanh; did you mean 'relu'?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", int),
        ("Optional[int]", int | None),
        ("Union[int, str]", int | str),
        ("int | None", int | None),
        ("'int'", int),
        ("Literal['a', 'b']", Literal["a", "b"]),
        ("Sequence[float]", list[float]),
        ("typing.Tuple[float, float]", tuple[float, float]),
        ("Annotated[int, Range(gt=0)]", Annotated[int, Range(gt=0)]),
        ("PositiveInt", PositiveInt),
        ("Whatever", Any),
        ("int | Whatever", Any),
        ("Literal[Color.RED]", Any),
        ("Annotated[int, Range(gt=LOWEST)]", int),
        ('Float[Tensor, "b c"]', Any),
        ("'not a type'", Any),
        ("tuple[*Shape]", Any),
    ],
)
def test_understands_annotations_as_they_are_written(text, expected):
    assert evaluate(ast.parse(text, mode="eval").body, lambda name: (None, None)) == expected


def test_looks_up_an_alias():
    alias = ast.parse("Literal['x', 'y']", mode="eval").body
    assert evaluate(ast.parse("Mode").body[0].value, lambda name: (alias, None)) == Literal["x", "y"]


def test_an_alias_of_itself_is_read_as_far_as_it_goes():
    alias = ast.parse("Union[str, list['Json'], tuple['Json', 'Json']]", mode="eval").body

    def lookup(name):
        return (alias, lookup) if name == "Json" else (None, None)

    json = evaluate(ast.parse("Json", mode="eval").body, lookup)
    assert mismatch(["a", ["b"]], json) is None
    assert mismatch(1, json) == "must be text or a list or a list of 2"


def test_null_fits_where_it_is_the_default():
    assert mismatch(None, or_null(int)) is None
    assert mismatch("a", or_null(int)) == "must be a whole number or null"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), ("", "''"), ("a", "a"), ([1], "[1]"), (0.1, "0.1")]
)
def test_shows_values_as_they_are_typed(value, text):
    assert show(value) == text


def test_cuts_long_values():
    assert len(show("x" * 500)) == 78
