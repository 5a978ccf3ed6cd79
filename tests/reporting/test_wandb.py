"""Runs in the offline form of Weights & Biases: what would be sent is read from the files it keeps."""

import subprocess
import sys
from pathlib import Path

import pytest

from lightune import compose, train
from lightune.errors import ConfigError

pytest.importorskip("wandb", reason="needs the extra: pip install 'lightune[wandb]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

TRAIN = Path(__file__).parents[2] / "train.py"
SMALL = ["trainer=cpu", "trainer.max_epochs=2", "model.units=8", "data=wine", "logger=wandb"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)


def sent(folder):
    """Return the bytes of the runs that are kept below a folder."""
    return [file.read_bytes() for file in sorted(folder.rglob("run-*.wandb"))]


def test_a_run_is_kept_with_its_parameters_and_figures_and_with_nothing_else(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hidden-words")
    result = train(compose([*SMALL, "name=alone", "note='${oc.env:MY_TOKEN}'", "optimizer.lr=0.0123"]))
    (kept,) = sent(result.run_dir)
    assert all(word in kept for word in (b"alone", b"optimizer.lr", b"0.0123", b"val/loss", b"objective"))
    assert not any(word in kept for word in (b"hidden-words", b"k" * 40, sys.executable.encode()))
    everything = b"".join(file.read_bytes() for file in result.run_dir.rglob("*") if file.is_file())
    assert b"hidden-words" not in everything
    assert b"k" * 40 not in everything


@pytest.mark.parametrize("how", [["hydra/launcher=fused"], ["search.n_jobs=2"]], ids=["fused", "workers"])
def test_every_trial_of_a_study_is_kept_with_its_name(how, tmp_path):
    words = ["-m", *SMALL, *how, "search.study=looked_for", "optimizer.lr=1e-3,1e-2"]
    ended = subprocess.run([sys.executable, str(TRAIN), *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for number in range(2):
        (kept,) = sent(tmp_path / "outputs" / "studies" / "looked_for" / "trials" / str(number))
        assert all(word in kept for word in (b"looked_for", f"trial {number}".encode(), b"objective"))


def test_folds_stand_in_the_group_of_their_run():
    result = train(compose([*SMALL, "name=folds", "validation=kfold", "validation.k=2"]))
    assert len({file.name for file in result.run_dir.rglob("run-*.wandb")}) == 3  # a test goes on in its fold's
    assert all(b"folds" in one for one in sent(result.run_dir))


def test_without_a_key_nothing_is_started(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"logger\.wandb  has no key to send anything with"):
        train(compose([*SMALL, "logger.wandb.mode=online"]))
