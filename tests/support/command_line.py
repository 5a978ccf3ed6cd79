"""Run lightune's programs in the process of a test: arguments in; exit code, output and errors out."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest


class Answer(NamedTuple):
    """What a program did: its exit code, its output, and what it said beside it."""

    code: int
    out: str
    err: str


def run_main(main: Callable[[], object], program: str, *arguments: object) -> int:
    """Run a program's `main` on arguments; return its exit code. An exception goes through."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [program, *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def run_train(*arguments: object) -> int:
    """Run the application that trains; return its exit code."""
    from lightune.cli import train

    return run_main(train.main, "train.py", *arguments)


def run_tool(*arguments: object) -> int:
    """Run the companion tool; return its exit code."""
    from lightune.cli import tools

    return run_main(tools.main, "lightune", *arguments)


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd) -> Callable[..., Answer]:
    """Run the application that trains, in the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, main: Callable[..., int] = run_train) -> Answer:
        capfd.readouterr()
        code = main(*arguments)
        return Answer(code, *capfd.readouterr())

    return call


@pytest.fixture
def tool(capfd) -> Callable[..., Answer]:
    """Run the companion tool in the folder that the test works in."""

    def call(*arguments: object) -> Answer:
        capfd.readouterr()
        code = run_tool(*arguments)
        return Answer(code, *capfd.readouterr())

    return call
