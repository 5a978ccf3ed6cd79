"""Where a study's trials are recorded: a journal in its folder, or a database."""

import fcntl
import json
import os
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages import get_storage as open_url
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.storages.journal._storage import JournalOperation

from lightune.errors import LightuneError
from lightune.study.storage.credentials import has_bare_at, hidden, hider

__all__ = ["FOLDER", "JOURNAL", "StorageError", "lock_of", "open_storage", "repair_journal"]

JOURNAL = "journal.log"
FOLDER = "folder"
"""Attribute of a trial: where it writes, relative to the study's folder."""

_PAUSE = 1.0  # seconds
_PASSING = (
    JournalOperation.CREATE_TRIAL,
    JournalOperation.SET_TRIAL_PARAM,
    JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE,
)


class StorageError(LightuneError):
    """Refuse a record of trials that cannot be read or written; the message says which and what to do."""


def lock_of(journal: Path) -> Path:
    """Return the file whose lock the writers of a journal take in turn."""
    return journal.with_name(f".{journal.name}.lock")


class KernelLock(BaseJournalFileLock):
    """A lock that the kernel gives back when its holder dies, so that the others go on at once.

    Args:
        journal: the file whose writers take turns.
    """

    def __init__(self, journal: Path) -> None:
        self._path = lock_of(journal)
        self._file: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        assert self._file is not None
        os.close(self._file)
        self._file = None


class Journal(JournalFileBackend):
    """A journal whose records are forced to the disk where a power cut must not lose them, and else when it suits.

    Records stand in their order, so what forces one forces all before it: a trial's end, the place where it
    writes. What a process wrote outlives its death either way.

    Args:
        path: of the file.
        lock: taken for each record.
    """

    def __init__(self, path: Path, lock: KernelLock) -> None:
        super().__init__(str(path), lock_obj=lock)
        self._journal, self._turn = path, lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write records, each on a line of its own, all of them or none."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        self._turn.acquire()
        file = os.open(self._journal, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            end = os.fstat(file).st_size
            if end and os.pread(file, 1, end - 1) != b"\n":  # a writer was killed in the middle of a record
                _cut(self._journal)
                end = os.fstat(file).st_size
            try:
                while text:
                    text = text[os.write(file, text) :]
            except OSError:
                os.ftruncate(file, end)  # or the next record would be glued to a part of this one
                raise
            if any(map(_must_last, logs)):
                os.fsync(file)
        finally:
            os.close(file)
            self._turn.release()


def _must_last(record: dict[str, Any]) -> bool:
    if record["op_code"] == JournalOperation.SET_TRIAL_USER_ATTR:
        return FOLDER in record["user_attr"]
    return record["op_code"] not in _PASSING


def open_storage(url: str | None, study: Path) -> BaseStorage:
    """Open the record of a study's trials.

    Args:
        url: as Optuna takes it; None for the journal in the study's folder.
        study: the study's folder.

    Raises:
        StorageError: if it cannot be opened.
    """
    try:
        if url is None:
            journal = study / JOURNAL
            lock = KernelLock(journal)
            repair_journal(journal, lock)
            return JournalStorage(Journal(journal, lock))
        return _open_database(url)
    except StorageError:
        raise
    except Exception as error:
        where = hidden(url) if url else str(study / JOURNAL)
        said = str(error).strip()
        reason = hider(url)(said.splitlines()[0]) if said else type(error).__name__
        if url and has_bare_at(url):  # drivers take the rest of the password for the host, and say it
            reason = "an @ in a password is written as %40"
        raise StorageError(f"search.storage: {where} cannot be opened: {reason}") from error


def _open_database(url: str) -> BaseStorage:
    """Open a database; a second time if need be, as two sweepers that start together both make its tables."""
    try:
        return open_url(url)
    except Exception:  # noqa: BLE001 - each database has errors of its own
        time.sleep(_PAUSE)
        return open_url(url)


def repair_journal(journal: Path, lock: KernelLock) -> Path | None:
    """Cut a torn or damaged end off a journal; what it was is kept beside it.

    Returns:
        The copy, if something was cut.

    Raises:
        StorageError: if there are sound records behind the damage, which cutting would lose.
    """
    if not journal.exists():
        return None
    lock.acquire()
    try:
        return _cut(journal)
    finally:
        lock.release()


def _cut(journal: Path) -> Path | None:
    sound, damaged = _sound_length(journal)
    if sound == journal.stat().st_size:
        return None
    if damaged:
        rule = f"is damaged in the middle, at byte {sound}"
        raise StorageError(f"{journal}: {rule}; restore it from a copy, or take another search.study=")
    copy = journal.with_name(f"{journal.name}.damaged-{datetime.now():%Y-%m-%d_%H-%M-%S-%f}")
    shutil.copyfile(journal, copy)
    with journal.open("r+b") as file:
        file.truncate(sound)
        os.fsync(file.fileno())
    return copy


def _sound_length(journal: Path) -> tuple[int, bool]:
    """Return how many bytes at the beginning are whole records, and whether a whole record follows them."""
    sound, broken = 0, False
    with journal.open("rb") as file:
        for line in file:
            if _is_record(line):
                if broken:
                    return sound, True
                sound += len(line)
            else:
                broken = True
    return sound, False


def _is_record(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and "op_code" in record
