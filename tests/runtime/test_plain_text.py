import pytest

from lightune.runtime.plain_text import cell, escaped, say, text_of_cell, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\bc\x07", "a\\rb\\x08c\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
        ("one\n\ttwo", "one\n\ttwo"),
        ("Grüße, 世界 🙂", "Grüße, 世界 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_a_line_goes_where_it_is_to_go(capsys):
    say("out \x1b")
    say(ValueError("err \x1b"), error=True)
    assert capsys.readouterr() == ("out \\x1b\n", "err \\x1b\n")


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "'=x", "plain", "-1.5", "+1e-3", "'x'", ""])
def test_a_cell_is_no_formula_and_is_read_back(text):
    content = cell(text)
    assert not content.startswith(("=", "@", "\t"))
    assert not content.startswith(("+", "-")) or float(content) == float(text)
    assert text_of_cell(content) == text


def test_json_is_escaped_where_a_terminal_would_obey_and_nowhere_else():
    assert escaped('{"ü": "\x9b1m\u202e"}\n') == '{"ü": "\\u009b1m\\u202e"}\n'
