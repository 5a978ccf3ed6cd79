import sys

import pytest

import lightune
from lightune.cli import tools, train
from lightune.cli.version import version


def test_names_lightune_first_and_what_it_joins():
    assert version().startswith("lightune 0.")
    assert "Hydra 1." in version()
    assert "Optuna 5." in version()


def test_the_application_shows_its_own_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lightune-train", "--version"])
    train.main()
    assert capsys.readouterr().out.strip() == version()


def test_the_tool_shows_the_same(capsys):
    with pytest.raises(SystemExit) as stop:
        tools.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == version()


def test_the_public_names_are_listed():
    assert {"compose", "train", "resume", "evaluate", "trust"} <= set(dir(lightune))
