"""How a job ended, from what Hydra returned and what its folder holds: the one place that says so."""

import contextlib
import signal
import traceback
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from lightune.errors import ConfigError
from lightune.private_api.hydra import returned_or_raised
from lightune.reporting.result import TRACEBACK_FILE
from lightune.runtime.disk import why_unwritable
from lightune.runtime.plain_text import visible
from lightune.runtime.signals import STOP_SIGNALS
from lightune.study.definition.settings import Objective
from lightune.study.outcome.outcome import (
    Outcome,
    is_complete,
    outcome_of_value,
    read_outcome,
    read_seconds,
    read_status,
    settle,
)
from lightune.trial import PrunedError

__all__ = ["judge", "leave_traceback", "signal_of"]

_PRUNED = {PrunedError.__name__, "TrialPruned"}


def judge(
    returned: JobReturn | None,
    folder: Path | None,
    objectives: Sequence[Objective],
    *,
    seconds: float,
    error: str | None = None,
    interrupted: bool = False,
    unwritable: bool = False,
) -> Outcome:
    """Judge how a job ended, and let its folder say so; where that cannot be written, the study has to.

    Args:
        returned: what Hydra returned; None if the job's process or task was cut off.
        folder: where the job wrote; None if that was not known yet.
        objectives: what the study is judged by.
        seconds: wall time of the job; a trial that was interrupted has those that its folder states, if more.
        error: what cut it off, in one line.
        interrupted: whether it was asked to stop.
        unwritable: whether a disk that takes nothing cut it off.
    """
    written = read_outcome(folder, objectives) if folder is not None else None
    if folder is not None:
        seconds = max(seconds, read_seconds(folder))  # of the parts before an interruption, too
    stated = read_status(folder) if folder is not None else None
    if stated in ("pruned", "failed") and written is not None:
        return written
    if interrupted:
        return (
            written if written is not None and written.is_final else Outcome("interrupted", None, seconds, error)
        )
    if written is not None and written.counts and (returned is None or returned.status != JobStatus.COMPLETED):
        return written  # what came after the result does not undo it
    if returned is None:
        if unwritable or (written is not None and written.unwritable):
            reason = error if written is None else written.error or error
            return Outcome("interrupted", None, seconds, reason, unwritable=True)
        outcome = Outcome("failed", None, seconds, error or "its process ended")
    elif returned.status != JobStatus.COMPLETED:
        outcome = _failure(returned_or_raised(returned), seconds)
        if outcome.failed and (reason := why_unwritable(returned_or_raised(returned))) is not None:
            return Outcome("interrupted", None, seconds, reason, unwritable=True)
        if folder is not None and outcome.failed:
            leave_traceback(folder, returned_or_raised(returned))
    else:
        status = stated if stated is not None and is_complete(stated) else "completed"
        outcome = outcome_of_value(returned_or_raised(returned), objectives, status=status, seconds=seconds)
    if folder is not None:
        with contextlib.suppress(OSError):  # who records the trial tries again, and says why
            settle(folder, outcome)
    return outcome


def signal_of(stop: SystemExit, folder: Path | None) -> int | None:
    """Return the signal that a task took for itself, to save and leave; None if it left for another reason.

    Args:
        stop: how it left.
        folder: where it wrote, if that is known.
    """
    number = stop.code - 128 if isinstance(stop.code, int) else 0
    took = number in (*STOP_SIGNALS, signal.SIGPIPE)
    return number if took and folder is not None and read_status(folder) == "interrupted" else None


def leave_traceback(folder: Path, error: object) -> None:
    """Write where a job failed into its folder, unless the task has done so itself."""
    file = folder / TRACEBACK_FILE
    if isinstance(error, BaseException) and error.__traceback__ is not None and not file.exists():
        with contextlib.suppress(OSError):  # the disk may be what failed
            folder.mkdir(parents=True, exist_ok=True)
            text = visible("".join(traceback.format_exception(error)))
            file.write_text(text, encoding="utf-8")


def _failure(error: object, seconds: float) -> Outcome:
    if type(error).__name__ in _PRUNED:
        return Outcome("pruned", None, seconds)
    text = "; ".join(map(str, error.problems)) if isinstance(error, ConfigError) else str(error)
    message = " ".join(text.split())
    return Outcome(
        "failed", None, seconds, f"{type(error).__name__}: {message}" if message else type(error).__name__
    )
