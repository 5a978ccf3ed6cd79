"""What one swept key may be: values and texts there and back."""

import pytest

from lightune.config.override_text import parse_override
from lightune.study.space.dimensions import Choice, Interval, Steps
from lightune.study.space.syntax import dimension_from_override


def swept(text):
    return dimension_from_override(parse_override(f"x={text}"))


@pytest.mark.parametrize(
    "text",
    [
        *("range(0,10)", "range(10,0,-3)", "range(-5,6,5)", "range(3,4)"),
        *("range(0,1,0.1)", "range(1,0,-0.25)", "range(1e-3,1e-2,1e-3)"),
    ],
)
def test_each_number_of_a_range_is_found_again_by_its_text_and_by_its_value(text):
    steps = swept(text)
    for number, written in zip(steps.numbers, steps.grid(), strict=True):
        assert steps.value(written) == number
        assert type(steps.value(written)) is type(number)
        assert steps.text(number) == steps.text(float(number)) == written


@pytest.mark.parametrize(("value", "text"), [(-7, "0"), (1.4, "0"), (1.6, "3"), (4.4, "3"), (4.6, "6"), (99, "9")])
def test_what_lies_between_two_numbers_is_the_nearer(value, text):
    assert swept("range(0,10,3)").text(value) == text


@pytest.mark.parametrize("text", ["1", "11", "-1", "0.0", "3.0", "1_0", " 3", "a", "nan", "inf", ""])
def test_a_text_that_is_none_of_the_numbers_is_refused(text):
    with pytest.raises(ValueError, match="must be one of the numbers from 0 to 9"):
        swept("range(0,10,3)").value(text)


@pytest.mark.parametrize("text", ["0.15", "nan", "inf", "-inf", "1.0", "1e400"])
def test_a_text_that_is_none_of_the_floating_numbers_is_refused(text):
    with pytest.raises(ValueError, match=r"must be one of the numbers from 0\.0 to 0\.9"):
        swept("range(0,1,0.1)").value(text)


class Counted:
    """Numbers that count how many of them were looked at."""

    def __init__(self, numbers):
        self._numbers, self.seen = numbers, 0

    def __len__(self):
        return len(self._numbers)

    def __getitem__(self, index):
        found = self._numbers[index]
        self.seen += len(found) if isinstance(index, slice) else 1
        return found

    def __iter__(self):
        for number in self._numbers:
            self.seen += 1
            yield number


@pytest.mark.parametrize(("question", "about"), [("text", [765_432]), ("value", ["765432"]), ("distribution", [])])
def test_a_number_of_a_range_is_computed_and_not_searched_for(question, about):
    numbers = Counted(range(1_000_000))
    getattr(Steps("x", numbers, 1), question)(*about)
    assert numbers.seen < 20


def test_a_range_of_a_billion_costs_nothing():
    steps = swept("range(0,1000000000000)")
    assert (steps.size(), steps.text(10**11 + 7), steps.value(str(10**11))) == (10**12, str(10**11 + 7), 10**11)


def test_sizes():
    assert Choice("x", ("a", "b")).size() == 2
    assert Interval("x", 0, 1).size() is None
