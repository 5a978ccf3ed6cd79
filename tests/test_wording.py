import pytest

from lightune.wording import clipped, counted, duration


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("trial",), "0 trials"),
        (1, ("trial",), "1 trial"),
        (2, ("trial",), "2 trials"),
        (1, ("class", "classes"), "1 class"),
        (12345, ("class", "classes"), "12,345 classes"),
    ],
)
def test_what_is_counted_agrees_with_its_number(number, words, text):
    assert counted(number, *words) == text


@pytest.mark.parametrize(
    ("text", "shown"), [("", ""), ("four", "four"), ("fives", "fiv…"), ("a long note", "a l…")]
)
def test_a_text_that_is_too_long_is_cut_off(text, shown):
    assert clipped(text, 4) == shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (3599, "1 h"), (12_000, "3 h 20 min")]
)
def test_a_time_is_as_one_says_it(seconds, text):
    assert duration(seconds) == text
