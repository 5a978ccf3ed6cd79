import fcntl
import json
import multiprocessing
import os
import signal
import threading
import time

import optuna
import pytest

from lightune.study.storage.backends import FOLDER, Journal, KernelLock, StorageError, open_storage, repair_journal
from lightune.study.storage.lease import Lease, locked


def record(number):
    return json.dumps({"op_code": number}).encode() + b"\n"


@pytest.fixture
def journal(tmp_path):
    file = tmp_path / "journal.log"
    file.write_bytes(record(0) + record(1))
    return file


def test_a_sound_journal_is_left_alone(journal):
    before = journal.read_bytes()
    assert repair_journal(journal, KernelLock(journal)) is None
    assert journal.read_bytes() == before


@pytest.mark.parametrize("end", [b'{"op_code"', b"\x00" * 50, b"12\n", b"\n", b'{"other": 1}\n{'])
def test_a_damaged_end_is_cut_and_kept(journal, end):
    sound = journal.read_bytes()
    journal.write_bytes(sound + end)
    copy = repair_journal(journal, KernelLock(journal))
    assert journal.read_bytes() == sound
    assert copy.read_bytes() == sound + end


def test_a_damaged_middle_is_refused_and_left_alone(journal):
    content = record(0) + b"?\n" + record(1)
    journal.write_bytes(content)
    with pytest.raises(StorageError, match="damaged in the middle, at byte 15"):
        repair_journal(journal, KernelLock(journal))
    assert journal.read_bytes() == content


def hold(path, ready):
    KernelLock(path).acquire()
    ready.set()
    time.sleep(60)


def test_a_lock_of_a_killed_process_is_free_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=hold, args=(tmp_path / "journal.log", ready))
    holder.start()
    assert ready.wait(60)
    os.kill(holder.pid, signal.SIGKILL)
    began = time.monotonic()
    open_storage(None, tmp_path).create_new_study([1], "study")
    assert time.monotonic() - began < 5
    holder.join()


def test_a_url_that_cannot_be_opened_is_refused_without_its_password(tmp_path):
    with pytest.raises(StorageError) as refusal:
        open_storage("nosuch://me:secret@host/db", tmp_path)
    assert "search.storage: nosuch://me:***@host/db cannot be opened" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_reason_that_has_the_url_is_told_without_its_password(tmp_path, monkeypatch):
    def refuse(url):
        raise ValueError(f"could not read {url} today\nand more")

    monkeypatch.setattr("lightune.study.storage.backends.open_url", refuse)
    monkeypatch.setattr("lightune.study.storage.backends._PAUSE", 0)
    with pytest.raises(StorageError, match=r"cannot be opened: could not read db://me:\*\*\*@host/db today$"):
        open_storage("db://me:secret@host/db", tmp_path)


def test_the_rest_of_a_password_with_an_at_is_told_to_nobody(tmp_path, monkeypatch):
    def refuse(url):
        raise OSError("failed to resolve host 'ret@host'")

    monkeypatch.setattr("lightune.study.storage.backends.open_url", refuse)
    monkeypatch.setattr("lightune.study.storage.backends._PAUSE", 0)
    with pytest.raises(StorageError, match=r"db://me:\*\*\*@host/db cannot be opened: an @ .* written as %40$"):
        open_storage("db://me:sec@ret@host/db", tmp_path)


def test_who_comes_second_to_the_tables_of_a_database_goes_on(tmp_path, monkeypatch):
    tried = []

    def open_url(url):
        tried.append(url)
        if len(tried) == 1:
            raise ValueError("table studies already exists")
        return "the storage"

    monkeypatch.setattr("lightune.study.storage.backends.open_url", open_url)
    monkeypatch.setattr("lightune.study.storage.backends._PAUSE", 0)
    assert open_storage("db://host/db", tmp_path) == "the storage"
    assert tried == ["db://host/db"] * 2


def test_a_lease_lives_as_long_as_its_owner(tmp_path):
    mine, other = Lease(tmp_path), Lease(tmp_path)
    assert mine.is_alive(other.name)
    assert mine.is_alive(mine.name)
    name = other.name
    other.end()
    assert not mine.is_alive(name)
    assert not mine.is_alive("nobody")
    mine.end()


def test_a_lock_whose_file_is_removed_by_its_holder_is_that_of_the_file_that_comes_next(tmp_path):
    path = tmp_path / "study" / "lock"
    waits = threading.Event()

    def wait(held):
        waits.set()
        with locked(path):
            held.append(path.stat().st_ino)
            go_on.wait(20)

    held, go_on = [], threading.Event()
    with locked(path):
        waiting = threading.Thread(target=wait, args=(held,))
        waiting.start()
        waits.wait(20)
        time.sleep(0.2)  # so that it waits for the lock of the file that goes
        path.unlink()
        path.parent.rmdir()
    while not held and waiting.is_alive():
        time.sleep(0.01)
    other = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    go_on.set()
    waiting.join()
    os.close(other)
    assert held == [path.stat().st_ino]


def test_a_lock_can_be_taken_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "lock"):
            pass


@pytest.mark.parametrize("torn", [b"", b'{"op_code": 1, "worker_'], ids=["after a whole one", "after a torn one"])
def test_a_record_that_does_not_fit_is_written_not_at_all(tmp_path, torn):
    """Another writer must not glue its own to a part of it."""
    import resource

    file = tmp_path / "journal.log"
    journal = Journal(file, KernelLock(file))
    journal.append_logs([{"op_code": 0}])
    before, (soft, hard) = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    with file.open("ab") as end:
        end.write(torn)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(len(before) + 5, len(before + torn)), hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append_logs([{"op_code": 1, "rest": "." * 99}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before


def test_a_record_that_a_killed_writer_left_half_is_cut_by_the_next(tmp_path):
    file = tmp_path / "journal.log"
    journal = Journal(file, KernelLock(file))
    journal.append_logs([{"op_code": 0}])
    with file.open("ab") as torn:
        torn.write(b'{"op_co')
    journal.append_logs([{"op_code": 1}])
    assert [json.loads(line)["op_code"] for line in file.read_text().splitlines()] == [0, 1]
    (copy,) = tmp_path.glob("journal.log.damaged-*")
    assert copy.read_bytes().endswith(b'{"op_co')


def test_what_a_power_cut_must_not_lose_is_forced_to_the_disk(tmp_path, monkeypatch):
    forced = []
    monkeypatch.setattr("lightune.study.storage.backends.os.fsync", forced.append)
    storage = open_storage(None, tmp_path)
    study = optuna.create_study(storage=storage)
    del forced[:]
    trial = study.ask()
    trial.report(1.0, 1)
    assert forced == []
    trial.set_user_attr(FOLDER, "0")
    assert len(forced) == 1
    study.tell(trial, 1.0)
    assert len(forced) == 2
