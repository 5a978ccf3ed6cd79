"""What a run ran on: what changes its last bits stands there, and nothing that lets anybody in."""

import json
import platform
import sys
from importlib import metadata

import pytest
import torch

from lightune.reporting.environment import collect_environment, installed


@pytest.fixture
def other_packages(tmp_path, monkeypatch):
    """Let Python find packages in one more folder, before all others."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    installed.cache_clear()
    yield tmp_path
    installed.cache_clear()


def test_all_packages_are_listed_with_what_python_says_is_their_version():
    installed.cache_clear()
    packages, _ = installed()
    for name in ("torch", "pytorch-lightning", "hydra-core", "pyyaml", "typing-extensions"):
        assert packages[name] == metadata.version(name)


def test_of_two_versions_the_one_that_python_takes_is_listed(other_packages):
    (other_packages / "PyYAML-0.1.dist-info").mkdir()
    assert installed()[0]["pyyaml"] == "0.1"


@pytest.mark.parametrize(
    ("about", "address"),
    [
        (
            {"url": "https://me:s3cret@example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "git+https://me:***@example.org/a.git@abc",
        ),
        ({"url": "file:///home/somebody/a", "dir_info": {"editable": True}}, "a folder"),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, "https://example.org/a.whl"),
    ],
)
def test_what_came_from_an_address_is_listed_with_it(other_packages, about, address):
    (other_packages / "a-1.0.dist-info").mkdir()
    (other_packages / "a-1.0.dist-info" / "direct_url.json").write_text(json.dumps(about))
    packages, sources = installed()
    assert (packages["a"], sources["a"]) == ("1.0", address)


def test_a_damaged_note_of_an_address_is_none(other_packages):
    (other_packages / "a-1.0.dist-info").mkdir()
    (other_packages / "a-1.0.dist-info" / "direct_url.json").write_text("[")
    assert "a" not in installed()[1]


def test_what_changes_the_last_bits_is_there(monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("MY_TOKEN", "not to be kept")
    found = collect_environment()
    assert found["variables"]["MKL_CBWR"] == "COMPATIBLE"
    assert "not to be kept" not in json.dumps(found)
    assert found["python"].startswith(platform.python_version())
    assert found["threads"]["intra"] == torch.get_num_threads()
    assert found["cpu"]["capability"] == torch.backends.cpu.get_cpu_capability()
    assert found["cpu"]["model"]
