"""The folder of torch's compiler."""

import pytest

from lightune.runtime.compiler_folder import no_empty_compiler_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_one_that_was_made_for_nothing_is_removed(folder):
    with no_empty_compiler_folder():
        folder.mkdir()
    assert not folder.exists()


def test_one_that_was_there_before_stays(folder):
    folder.mkdir()
    with no_empty_compiler_folder():
        pass
    assert folder.is_dir()


def test_one_that_holds_something_stays(folder):
    with no_empty_compiler_folder():
        folder.mkdir()
        (folder / "kernel").touch()
    assert (folder / "kernel").exists()


def test_where_none_is_made_nothing_happens(folder):
    with no_empty_compiler_folder():
        pass
    assert not folder.exists()
