"""What a stranger may send: code that leaves a mark when it runs, and files outside that must stay as they are."""

import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

MARK = "it_ran"
"""Name of the file that a stranger's code leaves in the folder that the test works in."""

_EVIL = """
import pathlib

pathlib.Path({mark!r}).write_text("imported")


def f(*args, **kwargs):
    pathlib.Path({mark!r}).write_text("called")
    raise RuntimeError("it was called")
"""


class Stranger(NamedTuple):
    """A stranger's package in the current folder.

    Args:
        package: its name, which no other test has.
        mark: exists once any of its code has run.
    """

    package: str
    mark: Path

    @property
    def function(self) -> str:
        """Dotted path of what does harm when it is called."""
        return f"{self.package}.m.f"


@pytest.fixture
def stranger(tmp_path, monkeypatch, request) -> Stranger:
    """Write a package that nobody trusts into the folder that the test works in."""
    name = f"evil_{abs(hash(request.node.nodeid))}"
    mark = tmp_path / MARK
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIGHTUNE_TRUST", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / name / "model").mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text(_EVIL.format(mark=str(mark)))
    (tmp_path / name / "m.py").write_text(_EVIL.format(mark=str(mark)))
    (tmp_path / name / "model" / "odd.yaml").write_text("_target_: lightune.models.MLP\n")
    return Stranger(name, mark)


class Outside(NamedTuple):
    """Files that are none of lightune's business."""

    folder: Path

    @property
    def file(self) -> Path:
        """One that would be missed."""
        return self.folder / "precious"

    def digest(self) -> str:
        """Return a digest of all that is there: names, kinds, content."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            digest.update(f"{path} {path.lstat().st_mode}\n".encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()


@pytest.fixture
def outside(tmp_path_factory):
    """Make files outside of the folder that the test works in; they must be the same afterwards."""
    place = Outside(tmp_path_factory.mktemp("home"))
    place.file.write_text("years of work\n")
    (place.folder / "trials").mkdir()
    before = place.digest()
    yield place
    assert place.digest() == before
