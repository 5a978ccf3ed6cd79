"""Where a study's trials are recorded: a journal in its folder, or a database."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages import get_storage as open_url

from lightune.errors import ConfigError, StorageError
from lightune.study.messages import LIGHTUNE, Vocabulary
from lightune.study.storage.credentials import has_bare_at, hidden, hider
from lightune.study.storage.journal import JOURNAL, Journal, JournalLock, repair_journal

__all__ = ["no_new_database", "open_storage"]

_PAUSE_SECONDS = 1.0


def open_storage(
    url: str | None, study: Path, *, vocabulary: Vocabulary = LIGHTUNE, pause: float = _PAUSE_SECONDS
) -> BaseStorage:
    """Open the record of a study's trials.

    Args:
        url: as Optuna takes it; None for the journal in the study's folder.
        study: the study's folder.
        vocabulary: what the keys of a study are called in messages.
        pause: seconds before a database that could not be opened is tried again, >= 0.

    Raises:
        StorageError: if it cannot be opened.
    """
    try:
        if url is None:
            journal = study / JOURNAL
            lock = JournalLock(journal)
            repair_journal(journal, lock, vocabulary)
            return JournalStorage(Journal(journal, lock, vocabulary))
        return _open_database(url, pause)
    except StorageError:
        raise
    except Exception as error:
        where = hidden(url) if url else str(study / JOURNAL)
        text = str(error).strip()
        reason = hider(url)(text.splitlines()[0]) if text else type(error).__name__
        if url and has_bare_at(url):  # drivers take the rest of the password for the host, and show it
            reason = "an @ in a password is written as %40"
        raise StorageError(f"{vocabulary.key('storage')}: {where} cannot be opened: {reason}") from error


@contextmanager
def no_new_database(url: object) -> Iterator[None]:
    """Remove the file of an SQLite database that was made meanwhile for a study that is refused after all.

    One that was there, or in which somebody's study stands by now, is kept.

    Args:
        url: of the storage; anything else is no file.
    """
    file = _file_of(url)
    was_there = file is None or file.exists()
    try:
        yield
    except (ConfigError, StorageError):
        if file is not None and not was_there and file.exists() and _is_empty(file):
            file.unlink()
        raise


def _file_of(url: object) -> Path | None:
    if not isinstance(url, str) or not url.startswith("sqlite"):
        return None
    name = url.partition(":///")[2].partition("?")[0]
    return Path(name) if name and name != ":memory:" else None


def _is_empty(file: Path) -> bool:
    """Return True if a database has tables of studies, and no study."""
    try:
        with closing(sqlite3.connect(file)) as database:
            return bool(database.execute("SELECT COUNT(*) FROM studies").fetchone() == (0,))
    except sqlite3.Error:
        return False


def _open_database(url: str, pause: float) -> BaseStorage:
    """Open a database; a second time if need be, as two drivers that start together both make its tables."""
    try:
        return open_url(url)
    except Exception:  # noqa: BLE001 - each database has errors of its own
        time.sleep(pause)
        return open_url(url)
