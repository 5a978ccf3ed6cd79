"""A finished run while it is made longer: what it left is kept aside, and put back if that fails."""

import os
import shutil
from pathlib import Path

from lightune.paths import (
    CURVES_FILE,
    DIFF_FILE,
    ENVIRONMENT_FILE,
    MISLABELLED_FILE,
    PREDICTIONS_FILE,
    VALIDATION_FILE,
)
from lightune.reporting.fits import FIT_FILE
from lightune.reporting.result import FILE_NAME, read_result

__all__ = ["forget_finished", "keep_finished", "put_back_finished"]

_ASIDE = ".finished"
_KEPT = (
    FILE_NAME,
    PREDICTIONS_FILE,
    VALIDATION_FILE,
    CURVES_FILE,
    "classes_*.csv",
    "confusion_*.csv",
    "mistakes_*.csv",
    MISLABELLED_FILE,
    "resumed.yaml",
    ENVIRONMENT_FILE,
    DIFF_FILE,
    FIT_FILE,
    "*.ckpt",
    "*.ckpt.sha256",
)


def keep_finished(run_dir: Path) -> None:
    """Keep the result and the checkpoints of a finished run aside, as links: its files are replaced whole."""
    forget_finished(run_dir)
    making = run_dir / f"{_ASIDE}.new"
    shutil.rmtree(making, ignore_errors=True)
    for file in _files(run_dir):
        target = making / file.relative_to(run_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:  # a file system without links
            shutil.copy2(file, target)
    making.rename(run_dir / _ASIDE)


def put_back_finished(run_dir: Path) -> str | None:
    """Make a run what it was when it was finished, and return how it had ended; None if it was not finished."""
    aside = run_dir / _ASIDE
    if not aside.is_dir():
        return None
    kept = [path for path in aside.rglob("*") if path.is_file()]
    for file in _files(run_dir):
        if not (aside / file.relative_to(run_dir)).exists():
            file.unlink()
    for file in sorted(kept, key=lambda each: each.name == FILE_NAME):  # the result last
        file.replace(run_dir / file.relative_to(aside))
    shutil.rmtree(aside)
    return read_result(run_dir).status.replace("_", " ")


def forget_finished(run_dir: Path) -> None:
    """Remove what was kept aside: the run has another end now."""
    shutil.rmtree(run_dir / _ASIDE, ignore_errors=True)


def _files(run_dir: Path) -> list[Path]:
    found = [path for pattern in _KEPT for path in run_dir.rglob(pattern) if path.is_file()]
    return [path for path in found if path.relative_to(run_dir).parts[0] not in (_ASIDE, f"{_ASIDE}.new")]
