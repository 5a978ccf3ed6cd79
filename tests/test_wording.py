import pytest

from lightune.wording import counted


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
