"""Studies as their folders show them, without the trials that made them, and runs that were trained."""

import shutil
from contextlib import chdir

import pytest
from studies import write_study


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Write what the tool reads of a study below the outputs folder; return its folder."""
    monkeypatch.chdir(tmp_path)

    def write(*lines, name="s", **about):
        return write_study(tmp_path / "outputs" / "studies" / name, *lines, **about)

    return write


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run that others are copied from."""
    from lightune import compose, train

    words = ("trainer=cpu", "trainer.max_epochs=1", "model.units=8", "logger=none")
    folder = tmp_path_factory.mktemp("trained")
    with chdir(folder):
        return train(compose([*words, f"output_root={folder}"])).run_dir


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """A finished run of one's own, as `run` in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"
