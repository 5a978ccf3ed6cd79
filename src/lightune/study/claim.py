"""Who writes into a trial's folder, over all machines that share it: one process at a time.

A trial whose machine is taken for dead may still be written by it. This module must not import Optuna, torch or
Lightning.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightune.study.lease import locked

__all__ = ["claimed"]

FOLDER = ".claims"


@contextmanager
def claimed(study: Path, number: int) -> Iterator[None]:
    """Have a trial to oneself; wait while another process has it, whose death gives it back.

    Args:
        study: the study's folder.
        number: the trial's.
    """
    folder = study / FOLDER
    folder.mkdir(exist_ok=True)
    with locked(folder / str(number)):
        yield
