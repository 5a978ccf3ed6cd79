"""What the files of finished work take on disk, by what one loses with them; and how they are removed.

This module must not import Optuna, torch or Lightning.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightune.reporting.result import FINISHED
from lightune.runtime.contained import require_contained
from lightune.runtime.removed_checkpoints import checkpoints_of, remove_checkpoints
from lightune.study.outputs.reader import open_study
from lightune.training.run_owner import only_owner

__all__ = ["KINDS", "Item", "item_of_folder", "items_of_run", "items_of_study"]

KINDS = {
    "last": "last.ckpt of finished runs and trials: they are made longer from their best epoch then",
    "checkpoints": "all checkpoints of finished runs, and of finished trials but the best: only figures stay",
    "failed": "runs that failed, whole",
    "unfinished": "runs that were cut off, whole: they cannot be resumed then",
    "cache": "what was decoded or computed once, and is again when it is needed",
}
"""What can be removed → what one has of it, and loses."""
_REASON = "by lightune clean"
_NAMES = {"last": ("last",), "checkpoints": ("*",)}
_OF_RUNS = {"failed": "failed", "interrupted": "unfinished", "unfinished": "unfinished"}


@dataclass(frozen=True)
class Item:
    """Files that can be removed together.

    Args:
        kind: one of `KINDS`.
        folder: of the run or trial, or the cache.
        files: how many there are.
        bytes: what they take.
    """

    kind: str
    folder: Path
    files: int
    bytes: int

    def remove(self) -> None:
        """Remove them; where they were checkpoints, leave a note of it.

        Raises:
            ConfigError: if a process has begun to work there.
            OSError: if that cannot be done.
        """
        if self.kind in _NAMES:
            remove_checkpoints(self.folder, _REASON, _NAMES[self.kind])
        elif self.kind in _OF_RUNS.values():
            with only_owner(self.folder):
                shutil.rmtree(self.folder)
        else:
            shutil.rmtree(self.folder)


def items_of_run(folder: Path, status: str) -> Iterator[Item]:
    """Yield what can be removed of a run that no process is at work in.

    Args:
        folder: the run's.
        status: as its result says, or `unfinished`.

    Raises:
        ConfigError: if something in the folder leads out of it.
    """
    require_contained(folder)
    if status in FINISHED:
        yield from _checkpoints(folder, ("last", "checkpoints"))
    elif status in _OF_RUNS:
        yield item_of_folder(_OF_RUNS[status], folder)


def items_of_study(folder: Path) -> Iterator[Item]:
    """Yield what can be removed of a study that no process is at work in: its trials and their figures stay.

    Args:
        folder: the study's.

    Raises:
        ConfigError: if it cannot be read, or something in it leads out of it.
    """
    require_contained(folder)
    study = open_study(folder)
    best = {row["number"] for row in study.best()}
    for row in study.rows:
        if row["state"] in FINISHED:
            kinds = ("last",) if row["number"] in best else ("last", "checkpoints")
            yield from _checkpoints(study.trial_folder(row), kinds)


def item_of_folder(kind: str, folder: Path) -> Item:
    """Return all that is in a folder as one item.

    Args:
        kind: one of `KINDS`.
        folder: of a run, or the cache.
    """
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return Item(kind, folder, len(sizes), sum(sizes))


def _checkpoints(folder: Path, kinds: Sequence[str]) -> Iterator[Item]:
    homes = checkpoints_of(folder)
    for kind in kinds:
        if kind == "last" and not all((home / "best.ckpt").is_file() for home in homes):
            continue  # what was never measured is known by its last weights alone
        found = [file for home in homes for name in _NAMES[kind] for file in home.glob(f"{name}.ckpt*")]
        if found:
            yield Item(kind, folder, len(found), sum(file.lstat().st_size for file in found))
