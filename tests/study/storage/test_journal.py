"""The journal in a study's folder: its writers, its records, what is cut off."""

import json
import multiprocessing
import os
import signal
import threading
import time

import optuna
import pytest
from filelock import lock_descriptor

from lightune.errors import StorageError
from lightune.study.storage.backends import open_storage
from lightune.study.storage.journal import Journal, JournalLock, repair_journal
from lightune.study.storage.records import FOLDER


def record(number):
    return json.dumps({"op_code": number}).encode() + b"\n"


@pytest.fixture
def journal(tmp_path):
    file = tmp_path / "journal.log"
    file.write_bytes(record(0) + record(1))
    return file


def test_a_sound_journal_is_left_alone(journal):
    before = journal.read_bytes()
    assert repair_journal(journal, JournalLock(journal)) is None
    assert journal.read_bytes() == before


@pytest.mark.parametrize("end", [b'{"op_code"', b"\x00" * 50, b"12\n", b"\n", b'{"other": 1}\n{'])
def test_a_damaged_end_is_cut_and_kept(journal, end):
    sound = journal.read_bytes()
    journal.write_bytes(sound + end)
    copy = repair_journal(journal, JournalLock(journal))
    assert journal.read_bytes() == sound
    assert copy.read_bytes() == sound + end


def test_a_damaged_middle_is_refused_and_left_alone(journal):
    content = record(0) + b"?\n" + record(1)
    journal.write_bytes(content)
    with pytest.raises(StorageError, match="damaged in the middle, at byte 15"):
        repair_journal(journal, JournalLock(journal))
    assert journal.read_bytes() == content


def hold(path, ready):
    JournalLock(path).acquire()
    ready.set()
    time.sleep(60)


def test_a_lock_of_a_killed_process_is_free_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=hold, args=(tmp_path / "journal.log", ready))
    holder.start()
    assert ready.wait(60)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    open_storage(None, tmp_path).create_new_study([1], "study")  # which waits for a lock, but not for ever


@pytest.mark.parametrize("torn", [b"", b'{"op_code": 1, "worker_'], ids=["after a whole one", "after a torn one"])
def test_a_record_that_does_not_fit_is_written_not_at_all(tmp_path, torn):
    """Another writer must not glue its own to a part of it."""
    import resource

    file = tmp_path / "journal.log"
    journal = Journal(file, JournalLock(file))
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
    journal = Journal(file, JournalLock(file))
    journal.append_logs([{"op_code": 0}])
    with file.open("ab") as torn:
        torn.write(b'{"op_co')
    journal.append_logs([{"op_code": 1}])
    assert [json.loads(line)["op_code"] for line in file.read_text().splitlines()] == [0, 1]
    (copy,) = tmp_path.glob("journal.log.damaged-*")
    assert copy.read_bytes().endswith(b'{"op_co')


def test_what_a_power_cut_must_not_lose_is_forced_to_the_disk(tmp_path, monkeypatch):
    forced = []
    monkeypatch.setattr("lightune.study.storage.journal.os.fsync", forced.append)
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


def test_writers_take_turns_although_the_file_of_their_lock_is_removed(tmp_path):
    path = tmp_path / "journal.log"
    path.touch()
    journal = Journal(path, JournalLock(path))
    writing = threading.Thread(target=journal.append_logs, args=([{"op_code": 0}],))
    with path.open("r+b") as other:  # another writer, which has the lock of a file that is gone
        assert lock_descriptor(other.fileno())
        writing.start()
        writing.join(0.2)
        assert path.read_bytes() == b""
    writing.join(20)
    assert path.read_bytes() == b'{"op_code":0}\n'
