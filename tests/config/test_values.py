from typing import Literal

import pytest

from lightune.config.values import BROKEN, value_problems
from lightune.ranges import PositiveFloat, PositiveInt


def problems(value, annotation, **how):
    return [str(problem) for problem in value_problems("a.b", value, annotation, **how)]


def test_a_value_that_fits_is_no_problem():
    assert problems(0.5, PositiveFloat) == []
    assert problems([1, 2], list[PositiveInt]) == []


@pytest.mark.parametrize(
    ("value", "annotation", "said"),
    [
        (-1, PositiveFloat, "a.b: must be a finite number > 0, got -1"),
        (None, PositiveInt, "a.b: must be a whole number > 0, got null"),
        ([1, 0], list[PositiveInt], "got [1, 0]"),
    ],
)
def test_a_value_that_does_not_fit_is_said_with_its_rule(value, annotation, said):
    (problem,) = problems(value, annotation)
    assert said in problem


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("16", "write it without quotes, or"),
        ("0x10", "write 16, or"),
        (1e3, "got 1000.0; write 1000"),
        (1.5, "got 1.5"),
    ],
)
def test_a_number_that_is_written_otherwise_is_answered_with_how_to_write_it(value, advice):
    (problem,) = problems(value, PositiveInt)
    assert advice in problem
    assert value != 1.5 or "write" not in problem


@pytest.mark.parametrize(("value", "text"), [(float("nan"), "nan"), (5, "5"), (True, "true")])
def test_a_number_where_text_belongs_is_answered_with_how_to_write_it(value, text):
    assert problems(value, str | None) == [f"""a.b: must be text or null, got {text}; write 'a.b="{text}"'"""]
    (problem,) = problems(value, Literal["relu", "tanh"])
    assert "write" not in problem


@pytest.mark.parametrize("value", [BROKEN, [1, BROKEN], {"a": {"b": BROKEN}}])
def test_what_could_not_be_resolved_is_reported_once_elsewhere(value):
    assert problems(value, PositiveInt) == []


def test_a_node_of_an_object_is_judged_by_itself_where_objects_are_built():
    node = {"_target_": "my.Class"}
    assert problems(node, PositiveInt) == []
    assert len(problems(node, PositiveInt, building=False)) == 1


@pytest.mark.parametrize(
    ("text", "annotation"),
    [("0.01", float), ("3", int), ("true", bool), ("[1, 2]", list[int]), ("1", float | None)],
)
def test_a_text_that_would_be_right_without_quotes_is_told_so(text, annotation):
    (problem,) = value_problems("optimizer.lr", text, annotation)
    assert f"got the text {text!r}; write it without quotes, or '" in problem.message
    assert "'optimizer.lr=\"${oc.decode:${oc.env:NAME}}\"'" in problem.message


@pytest.mark.parametrize("text", ["fast", "", "1e-3 or so", "{", "null"])
def test_a_text_that_is_no_value_is_refused_as_it_is(text):
    (problem,) = value_problems("optimizer.lr", text, float)
    assert "without quotes" not in problem.message
