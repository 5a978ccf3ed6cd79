"""Optuna's private names that lightune needs: those of its journal's file format."""

from optuna.storages.journal._file import BaseJournalFileLock
from optuna.storages.journal._storage import JournalOperation

__all__ = ["BaseJournalFileLock", "JournalOperation"]

# BaseJournalFileLock: base of the lock that a journal takes a record under.
#   For: a lock that the kernel gives back when its holder dies. Without it: the others wait 30 s after a kill.
# JournalOperation: the kinds of records.
#   For: forcing to disk what a power cut must not lose, and nothing else. Without it: 10 ms more a trial.
