import io

from rich.table import Table
from rich.text import Text

from lightune.runtime.terminal import Terminal

CLEAR = "\x1b[2J\x1b]0;title\x07"


def printed(*what, **settings):
    file = io.StringIO()
    Terminal(file=file, width=200, **settings).print(*what)
    return file.getvalue()


def test_no_text_reaches_a_terminal_as_codes():
    table = Table()
    table.add_column(CLEAR)
    table.add_row(CLEAR)
    for what in (CLEAR, Text(CLEAR), table):
        assert "\x1b" not in printed(what)
        assert "\\x1b[2J" in printed(what)


def test_markup_is_text():
    assert printed("[link=https://example.org]x[/link] [bold]y") == "[link=https://example.org]x[/link] [bold]y\n"


def test_what_is_drawn_keeps_its_colours():
    assert "\x1b[1m" in printed(Text("x", style="bold"), force_terminal=True, color_system="standard")
