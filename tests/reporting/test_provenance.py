"""Where a result came from: what is said in it, and what is kept beside it, once for all trials of a study."""

import json
import sys
from importlib import metadata

import pytest
import torch

from lightune.reporting import provenance
from lightune.reporting.provenance import Cost, collect
from lightune.reporting.repository import Changes

COMMIT = "1" * 40


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr(provenance, "changes_here", lambda _: None)
    return folder


def gather(run_dir, data=None, **about):
    return collect(run_dir, device=torch.device("cpu"), data_fingerprint=data, **about)


def test_the_versions_of_what_matters_are_said_and_all_are_kept(run_dir):
    found = gather(run_dir)
    assert found["packages"]["torch"] == metadata.version("torch")
    assert {"lightune", "pytorch-lightning", "hydra-core", "numpy"} <= set(found["packages"])
    kept = json.loads((run_dir / found["environment"]).read_text())
    assert kept["packages"]["pyyaml"] == metadata.version("pyyaml")


def test_the_command_can_be_pasted_into_a_shell(run_dir, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py", "name=two words", "optimizer.lr=0.1"])
    assert gather(run_dir)["command"] == "train.py 'name=two words' optimizer.lr=0.1"


def test_the_command_holds_no_credential(run_dir, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "s3cret-s3cret")
    monkeypatch.setattr(sys, "argv", ["train.py", "note=s3cret-s3cret", "search.storage=mysql://me:pw@host/x"])
    assert gather(run_dir)["command"] == "train.py note=*** search.storage=mysql://me:***@host/x"


def test_the_device_and_the_data_are_named(run_dir):
    found = gather(run_dir, data="f00d")
    assert found["device"] == f"cpu ({torch.get_num_threads()} threads)"
    assert found["data"] == "f00d"


def test_changes_lie_beside_the_run(run_dir, monkeypatch):
    monkeypatch.setattr(
        provenance, "changes_here", lambda _: Changes(COMMIT, b"+a = 2", ("new.py",), ("big.py (2.0 MB)",), ())
    )
    assert gather(run_dir)["git"] == {
        "commit": COMMIT,
        "dirty": True,
        "diff_file": "uncommitted.diff",
        "untracked": ["new.py"],
        "left_out": ["big.py (2.0 MB)"],
        "submodules": [],
    }
    assert (run_dir / "uncommitted.diff").read_bytes() == b"+a = 2"


def test_a_repository_without_changes_leaves_no_diff(run_dir, monkeypatch):
    monkeypatch.setattr(provenance, "changes_here", lambda _: Changes(COMMIT, b""))
    found = gather(run_dir)["git"]
    assert (found["dirty"], found["diff_file"]) == (False, None)
    assert [file.name for file in run_dir.iterdir()] == ["environment.json"]


def test_trials_share_what_is_the_same_in_all_of_them(run_dir, tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(provenance, "changes_here", lambda _: looks.append(1) or Changes(COMMIT, b"+a = 2"))
    (tmp_path / "study.json").touch()
    trials = [tmp_path / "trials" / str(number) for number in range(3)]
    for trial in trials:
        trial.mkdir(parents=True)
    found = [gather(trial) for trial in trials]
    assert len({each["environment"] for each in found}) == len({each["git"]["diff_file"] for each in found}) == 1
    assert [list(trial.iterdir()) for trial in trials] == [[], [], []]
    assert (trials[0] / found[0]["git"]["diff_file"]).read_bytes() == b"+a = 2"
    assert "packages" in json.loads((trials[2] / found[2]["environment"]).read_text())
    assert len(list((tmp_path / "provenance").iterdir())) == 2
    assert len(looks) == 1


def test_a_disk_that_takes_nothing_is_no_reason_to_fail(run_dir):
    run_dir.rmdir()
    run_dir.write_text("a file")
    assert gather(run_dir)["environment"] is None


def test_what_a_run_took_is_told(run_dir):
    cost = Cost()
    sum(range(200_000))
    took = gather(run_dir, cost=cost)["cost"]
    assert took["wall_seconds"] >= 0
    assert took["cpu_seconds"] >= 0
    assert took["peak_memory"] > 50_000_000  # torch alone
    assert took["peak_device_memory"] is None
