import subprocess
import sys
from importlib import metadata

import pytest
import torch

from lightune.reporting.provenance import collect, one_look_at_the_code


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The current folder, a repository with one commit of `code.py`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    (folder / "code.py").write_text("a = 1\n\n \n")
    git("init", "--quiet")
    git("add", "code.py")
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "first")
    return folder


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def gather(run_dir, data=None):
    return collect(run_dir, device=torch.device("cpu"), data_fingerprint=data)


def test_the_versions_of_what_matters_are_kept(run_dir):
    packages = gather(run_dir)["packages"]
    assert packages["torch"] == metadata.version("torch")
    assert {"lightune", "pytorch-lightning", "hydra-core", "numpy"} <= set(packages)


def test_the_command_can_be_pasted_into_a_shell(run_dir, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py", "name=two words", "optimizer.lr=0.1"])
    assert gather(run_dir)["command"] == "train.py 'name=two words' optimizer.lr=0.1"


def test_the_device_and_the_data_are_named(run_dir):
    found = gather(run_dir, data="f00d")
    assert found["device"] == f"cpu ({torch.get_num_threads()} threads)"
    assert found["data"] == "f00d"


def test_a_clean_repository_is_named_by_its_commit(run_dir, repository):
    assert gather(run_dir)["git"] == {"commit": git("rev-parse", "HEAD"), "dirty": False, "diff_file": None}
    assert list(run_dir.iterdir()) == []


@pytest.mark.parametrize("changed", ["a = 2\n\n \n", "a = 2\r\n\n \n", "a = '\xe4'\n\n \n", "a = 2", "\0\1\2"])
def test_uncommitted_changes_can_be_applied_again(run_dir, repository, changed):
    (repository / "code.py").write_bytes(changed.encode("latin-1"))
    found = gather(run_dir)["git"]
    assert found == {"commit": git("rev-parse", "HEAD"), "dirty": True, "diff_file": "uncommitted.diff"}
    git("checkout", "code.py")
    git("apply", str(run_dir / "uncommitted.diff"))
    assert (repository / "code.py").read_bytes() == changed.encode("latin-1")


def test_changes_are_kept_from_below_the_root_of_the_repository_too(run_dir, repository, monkeypatch):
    (repository / "code.py").write_text("a = 3\n")
    (repository / "deep").mkdir()
    monkeypatch.chdir(repository / "deep")
    assert gather(run_dir)["git"]["dirty"]
    assert "+a = 3" in (run_dir / "uncommitted.diff").read_text()


def test_a_repository_without_a_commit_is_none(run_dir, tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    git("init", "--quiet")
    assert gather(run_dir)["git"] is None


def test_outside_a_repository_there_is_none(run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert gather(run_dir)["git"] is None


def test_without_git_there_is_none(run_dir, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert gather(run_dir)["git"] is None


def test_runs_that_end_together_have_the_code_of_the_first(run_dir, repository):
    with one_look_at_the_code():
        first = gather(run_dir)["git"]
        (repository / "code.py").write_text("a = 2\n")
        assert gather(run_dir)["git"] == first
    assert gather(run_dir)["git"]["dirty"]


PROGRAMS = {
    "a file system monitor": ({"core.fsmonitor": "{run}"}, None),
    "a program for differences": ({"diff.external": "{run}"}, None),
    "a driver": ({"diff.odd.command": "{run}"}, "* diff=odd"),
    "a conversion to text": ({"diff.odd.textconv": "{run}"}, "* diff=odd"),
    "a filter": ({"filter.odd.clean": "{run}"}, "* filter=odd"),
    "a required filter": ({"filter.odd.process": "{run}", "filter.odd.required": "true"}, "* filter=odd"),
    "a filter of an odd name": ({"filter.odd=x.y.clean": "{run}"}, "* filter=odd=x.y"),
    "a filter that looks well known": ({"filter.lfs.clean": "git-lfs clean -- %f; {run}"}, "* filter=lfs"),
    "a pager": ({"core.pager": "{run}", "pager.diff": "true"}, None),
}


@pytest.mark.parametrize("names", PROGRAMS)
def test_nothing_runs_that_a_repository_names(run_dir, repository, tmp_path, names):
    settings, attributes = PROGRAMS[names]
    mark, script = tmp_path / "it_ran", tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    for key, value in settings.items():
        git("config", key, value.format(run=script))
    if attributes:
        (repository / ".git" / "info").mkdir(exist_ok=True)
        (repository / ".git" / "info" / "attributes").write_text(attributes + "\n")
    (repository / "code.py").write_text("a = 2\n")
    found = gather(run_dir)["git"]
    assert not mark.exists()
    assert found["dirty"]
    assert "+a = 2" in (run_dir / "uncommitted.diff").read_text()
    subprocess.run(["git", "diff", "HEAD"], check=False, capture_output=True)
    assert mark.exists() == (names != "a pager")  # git itself does run it


def test_a_filter_of_the_users_own_keeps_working(run_dir, repository, tmp_path, monkeypatch):
    (tmp_path / "gitconfig").write_text('[filter "upper"]\n\tclean = tr a-z A-Z\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (repository / ".git" / "info" / "attributes").write_text("* filter=upper\n")
    (repository / "code.py").write_text("a = 2\n")
    assert gather(run_dir)["git"]["dirty"]
    assert "+A = 2" in (run_dir / "uncommitted.diff").read_text()
