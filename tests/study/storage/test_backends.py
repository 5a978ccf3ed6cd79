"""Where a study's trials are recorded."""

import pytest
from optuna.study import StudyDirection

from lightune.errors import ConfigError, Problem, StorageError
from lightune.study.storage.backends import no_new_database, open_storage


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


def refused(url, begin):
    """Refuse a study that has begun something in its storage."""

    def start():
        with no_new_database(url):
            begin()
            raise ConfigError([Problem("search", "told to")])

    with pytest.raises(ConfigError, match="told to"):
        start()


def test_the_file_of_a_new_database_goes_with_the_study_that_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    refused(url, lambda: open_storage(url, tmp_path))
    refused(url, lambda: None)
    assert list(tmp_path.iterdir()) == []
    with no_new_database(url):
        open_storage(url, tmp_path)
    refused(url, lambda: open_storage(url, tmp_path))
    assert (tmp_path / "new.db").exists()  # it was there


def test_the_file_of_a_database_stays_where_somebody_else_has_begun_a_study_in_it(tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    refused(url, lambda: open_storage(url, tmp_path).create_new_study([StudyDirection.MINIMIZE], "theirs"))
    assert (tmp_path / "new.db").exists()
