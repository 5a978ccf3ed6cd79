"""What a folder says of its code counts where one works, not where one looks."""

import json
import sys

import pytest
from omegaconf import OmegaConf

from lightune import compose
from lightune.config.trust import trusted

EVIL = "evil_project"


@pytest.fixture
def received(tmp_path):
    """A project that somebody has sent: it names its package, which leaves a mark when it is imported."""
    folder = tmp_path / "received"
    (folder / EVIL).mkdir(parents=True)
    (folder / EVIL / "__init__.py").write_text("from pathlib import Path\nPath('MARK').write_text('ran')\n")
    (folder / "pyproject.toml").write_text(f'[tool.lightune]\ntrust = ["{EVIL}"]\n')
    run = folder / "outputs" / "runs" / "run" / "1"
    (run / ".hydra").mkdir(parents=True)
    cfg = compose(["trainer=cpu"])
    cfg.model = {"_target_": f"{EVIL}.Net"}
    OmegaConf.save(cfg, run / ".hydra" / "config.yaml")
    (run / "result.json").write_text(json.dumps({"status": "completed"}))
    return folder


@pytest.mark.parametrize("command", ["list", "show", "evaluate", "predict", "export", "explain"])
def test_what_lies_in_a_received_project_does_not_bring_its_trust(tool, received, tmp_path, monkeypatch, command):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    path = received / "outputs" if command == "list" else received / "outputs" / "runs" / "run" / "1"
    tool(command, path)
    assert EVIL not in trusted()
    assert str(received) not in sys.path
    assert EVIL not in sys.modules
    assert not [*tmp_path.rglob("MARK")]


def test_one_who_works_in_it_trusts_it(tool, received, monkeypatch):
    monkeypatch.chdir(received / "outputs")
    tool("list", ".")
    assert EVIL in trusted()
