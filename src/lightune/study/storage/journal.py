"""The journal: the record of a study's trials in a file of its folder, as Optuna reads and writes it."""

import json
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from filelock import lock_descriptor
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from lightune.errors import StorageError
from lightune.private_api.optuna import BaseJournalFileLock, JournalOperation
from lightune.study.messages import LIGHTUNE, Vocabulary
from lightune.study.storage.locks import acquire, release
from lightune.study.storage.records import FOLDER

__all__ = ["JOURNAL", "Journal", "JournalLock", "lock_of", "recorded_study", "repair_journal"]

JOURNAL = "journal.log"

_POLL_SECONDS = 0.0005  # a record is written in less
_MAY_BE_LOST = (
    JournalOperation.CREATE_TRIAL,
    JournalOperation.SET_TRIAL_PARAM,
    JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE,
)


def lock_of(journal: Path) -> Path:
    """Return the file whose lock the writers of a journal take in turn."""
    return journal.with_name(f".{journal.name}.lock")


class JournalLock(BaseJournalFileLock):
    """The lock of a journal's writers, which is free at once when its holder dies.

    Args:
        journal: the file whose writers take turns.
    """

    def __init__(self, journal: Path) -> None:
        self._path = lock_of(journal)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self._descriptor = acquire(self._path, poll=_POLL_SECONDS)
        return True

    def release(self) -> None:
        """Give the lock back."""
        assert self._descriptor is not None
        release(self._descriptor)
        self._descriptor = None


class Journal(JournalFileBackend):
    """A journal whose records are forced to the disk where a power cut must not lose them, and else when it suits.

    Records stand in their order, so what forces one forces all before it: a trial's end, the folder that it writes
    to. What a process wrote outlives its death either way.

    Args:
        path: of the file.
        lock: taken for each record.
        vocabulary: what the keys of a study are called in messages.
    """

    def __init__(self, path: Path, lock: JournalLock, vocabulary: Vocabulary = LIGHTUNE) -> None:
        super().__init__(str(path), lock_obj=lock)
        self._journal, self._writers, self._vocabulary = path, lock, vocabulary

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write records, each on a line of its own, all of them or none.

        Raises:
            OSError: if they cannot be written.
        """
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        self._writers.acquire()
        file = os.open(self._journal, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            lock_descriptor(file, poll_interval=_POLL_SECONDS)  # as somebody may remove the file of the other lock
            end = os.fstat(file).st_size
            if end and os.pread(file, 1, end - 1) != b"\n":  # a writer was killed in the middle of a record
                _cut(self._journal, self._vocabulary)
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
            self._writers.release()


def _must_last(record: dict[str, Any]) -> bool:
    if record["op_code"] == JournalOperation.SET_TRIAL_USER_ATTR:
        return FOLDER in record["user_attr"]
    return record["op_code"] not in _MAY_BE_LOST


def repair_journal(journal: Path, lock: JournalLock, vocabulary: Vocabulary = LIGHTUNE) -> Path | None:
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
        with journal.open("r+b") as file:
            lock_descriptor(file.fileno(), poll_interval=_POLL_SECONDS)
            return _cut(journal, vocabulary)
    finally:
        lock.release()


def _cut(journal: Path, vocabulary: Vocabulary) -> Path | None:
    sound, damaged = _sound_length(journal)
    if sound == journal.stat().st_size:
        return None
    if damaged:
        rule = f"is damaged in the middle, at byte {sound}"
        raise StorageError(f"{journal}: {rule}; restore it from a copy, or take another {vocabulary.study}=")
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


def recorded_study(folder: Path) -> optuna.Study:
    """Return a study as its journal has it, to be read.

    Args:
        folder: the study's.
    """
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)
