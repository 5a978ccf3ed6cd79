"""Who writes into a trial's folder, over all machines that share it: one process at a time.

A trial whose machine is taken for dead may still be written by it. This module must not import Optuna, torch or
Lightning.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightune.study.storage.lease import locked

__all__ = ["claimed"]

FOLDER = ".claims"


@contextmanager
def claimed(study: Path, number: int, *, wait: bool = True) -> Iterator[bool]:
    """Have a trial to oneself, until another process that has it gives it back, by its death at last.

    Args:
        study: the study's folder.
        number: the trial's.
        wait: whether to wait while another has it.

    Yields:
        Whether it is ours.
    """
    folder = study / FOLDER
    folder.mkdir(exist_ok=True)
    with locked(folder / str(number), wait=wait) as ours:
        yield ours
