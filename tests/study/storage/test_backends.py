"""Where a study's trials are recorded."""

import pytest

from lightune.errors import StorageError
from lightune.study.storage.backends import open_storage


def test_a_url_that_cannot_be_opened_is_refused_without_its_password(tmp_path):
    with pytest.raises(StorageError) as refusal:
        open_storage("nosuch://me:secret@host/db", tmp_path, pause=0)
    assert "search.storage: nosuch://me:***@host/db cannot be opened" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_reason_that_has_the_url_is_told_without_its_password(tmp_path, monkeypatch):
    def refuse(url):
        raise ValueError(f"could not read {url} today\nand more")

    monkeypatch.setattr("lightune.study.storage.backends.open_url", refuse)
    with pytest.raises(StorageError, match=r"cannot be opened: could not read db://me:\*\*\*@host/db today$"):
        open_storage("db://me:secret@host/db", tmp_path, pause=0)


def test_the_rest_of_a_password_with_an_at_is_told_to_nobody(tmp_path, monkeypatch):
    def refuse(url):
        raise OSError("failed to resolve host 'ret@host'")

    monkeypatch.setattr("lightune.study.storage.backends.open_url", refuse)
    with pytest.raises(StorageError, match=r"db://me:\*\*\*@host/db cannot be opened: an @ .* written as %40$"):
        open_storage("db://me:sec@ret@host/db", tmp_path, pause=0)


def test_who_comes_second_to_the_tables_of_a_database_goes_on(tmp_path, monkeypatch):
    tried = []

    def open_url(url):
        tried.append(url)
        if len(tried) == 1:
            raise ValueError("table studies already exists")
        return "the storage"

    monkeypatch.setattr("lightune.study.storage.backends.open_url", open_url)
    assert open_storage("db://host/db", tmp_path, pause=0) == "the storage"
    assert tried == ["db://host/db"] * 2
