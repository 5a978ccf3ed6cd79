import io
import signal
import sys

import pytest
from rich.table import Table
from rich.text import Text

from lightune.errors import StopRequested
from lightune.runtime.signals import heard_by
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


def test_a_pipe_that_nobody_reads_stops_what_listens_and_else_raises(monkeypatch, tmp_path):
    heard = []
    with (tmp_path / "out").open("w") as file, heard_by(lambda number, frame: heard.append(number)):
        monkeypatch.setattr(sys, "stdout", file)
        Terminal(file=file).on_broken_pipe()
        assert heard == [signal.SIGPIPE]
        monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)
        with pytest.raises(StopRequested):
            Terminal(file=file).on_broken_pipe()
