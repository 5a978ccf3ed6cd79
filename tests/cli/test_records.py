import fcntl
import os
import pty
import re
import struct
import sys
import termios

import pytest

from lightune.cli.records import print_records

COLUMNS = ("folder", "state", "best", "go on with")
RUN = "outputs/runs/a_longer_name/2026-11-29_21-29-12"
RECORDS = [
    (RUN, "interrupted", "val/accuracy 0.9322", f"python train.py resume={RUN}"),
    ("outputs/studies/s", "2 trials", "val/accuracy 0.5000  (the first of 2 on the Pareto front)", ""),
]


@pytest.fixture
def terminal(monkeypatch):
    """Let the output be a terminal of some width; returns what reads it."""
    for name in ("COLUMNS", "TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = pty.openpty()

    def of(width, *printed):
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        monkeypatch.setenv("COLUMNS", str(width))
        with os.fdopen(os.dup(follower), "w") as screen, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            print_records(*printed)
        shown = re.sub(r"\x1b\[[\d;]*m", "", os.read(leader, 100_000).decode())
        return [line.rstrip() for line in shown.splitlines()]

    yield of
    os.close(leader)
    os.close(follower)


def test_a_narrow_terminal_shows_each_record_below_its_first_cell_and_breaks_no_path_nor_command(terminal):
    assert terminal(60, RECORDS, COLUMNS) == [
        RUN,
        "  interrupted",
        "  val/accuracy 0.9322",
        f"  go on with: python train.py resume={RUN}",
        "outputs/studies/s",
        "  2 trials",
        "  val/accuracy 0.5000  (the first of 2 on the Pareto front)",
    ]


def test_words_are_kept_whole_where_a_cell_is_wider_than_the_terminal(terminal):
    point = " ".join(f"optimizer.key_{number}={number}" for number in range(6))
    first, figure, *points, folder = terminal(40, [("trial 1", "val/accuracy 0.9", point, RUN)])
    assert (first, figure, folder) == ("trial 1", "  val/accuracy 0.9", f"  {RUN}")
    assert " ".join(line.strip() for line in points) == point
    assert all(len(line) <= 40 and line.startswith("  optimizer") for line in points)


def test_a_wide_terminal_shows_a_table(terminal):
    header, run, study = terminal(200, RECORDS, COLUMNS)
    assert header.split("  ")[0] == "folder"
    assert header.index("go on with") == run.index("python train.py")
    assert header.index("state") == run.index("interrupted") == study.index("2 trials")


def test_what_is_piped_is_a_table_however_wide(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    print_records(RECORDS, COLUMNS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split("  ")[0] == RUN
    assert lines[1].endswith(f"python train.py resume={RUN}")
    assert all(line == line.rstrip() for line in lines)


def test_no_markup_and_no_control_code_is_obeyed(capsys):
    print_records([("[red]x[/]", "\x1b[31m")])
    assert capsys.readouterr().out == "[red]x[/]  \\x1b[31m\n"
