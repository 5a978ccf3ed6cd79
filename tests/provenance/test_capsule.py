"""A capsule that somebody else sends: nothing lies outside, nothing runs, and all is what it says."""

import hashlib
import importlib
import json
import stat
import sys
import zipfile

import pytest

from lightune.config.trust import trust
from lightune.errors import ConfigError
from lightune.provenance.capsule import opened

CONTENT = b'{"a": 1}'


@pytest.fixture
def write(tmp_path):
    """Write a capsule of one run, changed as is wanted; returns its file."""

    def call(about=None, more=None, kinds=None, **changes):
        said = {
            "schema": 1, "name": "a", "path": "content", "is_study": False, "lightune": "0.1.0",
            "files": {"content/result.json": hashlib.sha256(CONTENT).hexdigest()},
            "places": {}, "left_out": [], "hidden": [], **changes,
        }  # fmt: skip
        file = tmp_path / "a.zip"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("capsule.json", json.dumps(said) if about is None else about)
            archive.writestr("content/result.json", CONTENT)
            for name, content in (more or {}).items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = (kinds or {}).get(name, 0) << 16
                archive.writestr(entry, content)
        return file

    return call


def listed(**more):
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in {"content/result.json": CONTENT, **more}.items()
    }


def test_what_was_packed_lies_in_a_folder_as_long_as_it_is_open(write):
    file = write(
        places={"data.path": "data/0/a.csv"}, files=listed(**{"data/0/a.csv": b"x"}), more={"data/0/a.csv": b"x"}
    )
    with opened(file) as capsule:
        assert (capsule.path / "result.json").read_bytes() == CONTENT
        assert capsule.places == {"data.path": str(capsule.folder / "data" / "0" / "a.csv")}
        folder = capsule.folder
    assert not folder.exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "content/../../evil", "a\\..\\..\\evil", "C:/evil", "./evil", "a//b"]
)
def test_no_path_leads_outside(write, name, tmp_path):
    before = set(tmp_path.rglob("*"))
    file = write(more={name: b"x"}, files=listed(**{name: b"x"}))
    with pytest.raises(ConfigError, match="would lie outside"), opened(file):
        pass
    assert set(tmp_path.rglob("*")) == {*before, file}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR])
def test_nothing_but_plain_files_is_unpacked(write, kind):
    file = write(more={"content/x": b"/etc/passwd"}, kinds={"content/x": kind})
    with pytest.raises(ConfigError, match="which is no plain file"), opened(file):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"more": {"content/more": b""}}, "files that it does not list, such as content/more"),
        ({"files": listed(gone=b"")}, "files that are missing, such as gone"),
        ({"files": {"content/result.json": "0" * 64}}, "content/result.json is not what was packed"),
        ({"more": {"content/result.json": b""}}, "holds two files of one name"),
        ({"about": "["}, "has a capsule.json that cannot be read"),
        ({"about": "[]"}, "has a capsule.json that cannot be read"),
        ({"about": "{}"}, "has a capsule.json that cannot be read"),
        ({"schema": 2}, "was packed by a newer lightune"),
        ({"path": "../x"}, "that no lightune wrote"),
        ({"places": {"data.path": "/etc"}}, "that no lightune wrote"),
        ({"places": {"trainer.max_epochs": "content"}}, "that no lightune wrote"),
        ({"files": [1]}, "has a capsule.json that cannot be read"),
    ],
)
def test_what_is_not_what_was_packed_is_refused(write, changes, said):
    with pytest.raises(ConfigError, match=said), opened(write(**changes)):
        pass


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 damaged"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    file = tmp_path / "a.zip"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="is no capsule of lightune pack, or damaged"), opened(file):
        pass


def test_an_archive_without_a_manifest_is_no_capsule(tmp_path):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(ConfigError, match=r"it has no capsule\.json"), opened(file):
        pass


def test_what_is_larger_than_any_capsule_is_refused_before_it_is_unpacked(write, monkeypatch):
    monkeypatch.setattr("lightune.provenance.capsule._MOST_BYTES", 10)
    with pytest.raises(ConfigError, match="holds more than any capsule"), opened(write()):
        pass


def test_code_is_found_where_it_is_trusted_by_name_and_nowhere_else(write, monkeypatch):
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    code = {
        "code/packed_own/__init__.py": b"x = 1",
        "code/packed_own/a.py": b"y = 2",
        "code/packed_other.py": b"z = 3",
    }
    file = write(more=code, files=listed(**code))
    with opened(file):
        for name in ("packed_own", "packed_other"):
            with pytest.raises(ImportError):
                importlib.import_module(name)
        trust("packed_own.a")
        assert importlib.import_module("packed_own.a").y == 2
        with pytest.raises(ImportError):
            importlib.import_module("packed_other")
    sys.modules.pop("packed_own")
    with pytest.raises(ImportError):
        importlib.import_module("packed_own")
