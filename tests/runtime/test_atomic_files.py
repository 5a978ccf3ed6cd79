import json
import os
import signal

import pytest

from lightune.runtime.atomic_files import remove_leftovers, write_json, write_whole, written_together


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_and_its_folder_are_made(tmp_path):
    write_whole(tmp_path / "a" / "b" / "c.txt", b"content")
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"content"
    assert names(tmp_path / "a" / "b") == ["c.txt"]


@pytest.mark.parametrize(
    "content", [b"new", bytearray(b"new"), memoryview(b"new")], ids=["bytes", "array", "view"]
)
def test_a_file_is_replaced(tmp_path, content):
    (tmp_path / "a").write_bytes(b"a longer old content")
    write_whole(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_the_temporary_lies_beside_its_target_and_is_on_disk_before_it_moves(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    seen = []
    sync = os.fsync

    def spy(descriptor):
        (temporary,) = (path for path in tmp_path.iterdir() if path.name != "a")
        seen.append((temporary.read_bytes(), (tmp_path / "a").read_bytes()))
        sync(descriptor)

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", spy)
    write_whole(tmp_path / "a", b"new")
    assert seen == [(b"new", b"old")]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_writing_that_breaks_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, error):
    def fail(descriptor):
        raise error

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_process_that_is_killed_while_it_writes_leaves_the_old_file(tmp_path, moment):
    (tmp_path / "a").write_bytes(b"old")
    child = os.fork()
    if not child:

        def die(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(os, moment, die)
        write_whole(tmp_path / "a", b"new")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert (tmp_path / "a").read_bytes() == b"old"


def test_files_written_together_appear_at_the_end_and_whole(tmp_path):
    first, second = tmp_path / "first", tmp_path / "folder" / "second"
    first.write_bytes(b"before")
    with written_together():
        write_whole(first, b"between")
        write_whole(first, b"after")
        write_whole(second, b"new")
        assert first.read_bytes() == b"before"
        assert not second.exists()
    assert (first.read_bytes(), second.read_bytes()) == (b"after", b"new")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["first", "folder", "second"]


def test_files_written_together_within_others_wait_for_all(tmp_path):
    with written_together():
        with written_together():
            write_whole(tmp_path / "inner", b"a")
        assert not (tmp_path / "inner").exists()
    assert names(tmp_path) == ["inner"]


def test_what_was_written_before_an_error_appears(tmp_path):
    def write_and_fail():
        with written_together():
            write_whole(tmp_path / "file", b"whole")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_writers_of_one_file_do_not_meet_in_one_temporary(tmp_path, monkeypatch):
    """As two containers do in which both processes have the number 1."""
    target, sync = tmp_path / "a", os.fsync

    def overtaken(descriptor):
        monkeypatch.setattr(os, "fsync", sync)
        write_whole(target, b"of the other")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", overtaken)
    write_whole(target, b"of this one")
    assert target.read_bytes() == b"of this one"
    assert names(tmp_path) == ["a"]


def test_a_file_that_is_written_twice_together_leaves_nothing_beside_it(tmp_path):
    with written_together():
        write_whole(tmp_path / "a", b"first")
        write_whole(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert names(tmp_path) == ["a"]


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "below").mkdir()
    for name in (".a.0123.tmp", ".hidden", "a.tmp", "below/.b.7.tmp"):
        (tmp_path / name).touch()
    (tmp_path / ".conf.tmp").mkdir()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".conf.tmp", ".hidden", "a.tmp", "below"]
    assert names(tmp_path / "below") == [".b.7.tmp"]
    remove_leftovers(tmp_path, below=True)
    assert names(tmp_path / "below") == []


def test_a_killed_writer_leaves_what_can_be_removed(tmp_path):
    child = os.fork()
    if not child:
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        write_whole(tmp_path / "a", b"new")
        os._exit(0)
    os.waitpid(child, 0)
    assert len(names(tmp_path)) == 1
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_a_file_whose_half_written_content_somebody_removes_is_written_again(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def sync(descriptor):
        fsync(descriptor)
        if not synced:
            remove_leftovers(tmp_path)
        synced.append(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    write_whole(tmp_path / "trials.csv", b"all")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("trials.csv", b"all")]


def test_json_is_readable_and_no_terminal_obeys_it(tmp_path):
    content = {"Größe": ["für", "\x1b[31m", "\x9b", "\u202e", "\udc80", 1.5]}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert '"Größe"' in text
    assert '"für"' in text
    assert all(code in text for code in (r"\u001b", r"\u009b", r"\u202e", r"\udc80"))
    assert json.loads(text) == content
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
