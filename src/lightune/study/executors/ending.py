"""The end of a trial, made in one place for all executors.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn

from lightune.study.definition.settings import Objective
from lightune.study.executors.executor import Done, Job
from lightune.study.outcome.attempts import has_room
from lightune.study.outcome.judge import judge
from lightune.study.outcome.outcome import Outcome, Status, read_outcome

__all__ = ["EndedBeforeError", "end_of", "require_not_ended"]


def end_of(
    job: Job,
    *,
    objectives: Sequence[Objective] | None,
    folder: Path | None = None,
    returned: JobReturn | None = None,
    seconds: float = 0.0,
    error: str | None = None,
    interrupted: bool = False,
    lost: bool = False,
    unwritable: bool = False,
) -> Done:
    """Judge how a trial ended, and let its folder say so.

    Args:
        job: the trial.
        objectives: what the study is judged by; None outside of a study, where nobody judges.
        folder: where it wrote; None if that was not known yet.
        returned: what Hydra made of it; None if its process or task was cut off.
        seconds: wall time.
        error: what cut it off, in one line.
        interrupted: whether it was stopped from outside.
        lost: whether its machine is gone, which stops it from outside, too.
        unwritable: whether a disk that takes nothing cut it off.
    """
    if folder is not None and not has_room(folder, job.trial.attempt):
        folder = None  # it still holds what a failed attempt left
    stopped = interrupted or lost
    if objectives is None:
        status: Status = "interrupted" if stopped else "completed" if returned else "failed"
        outcome = Outcome(status, None, seconds, error)
    else:
        outcome = judge(returned, folder, objectives, seconds=seconds, error=error, interrupted=stopped,
                        unwritable=unwritable)  # fmt: skip
    return Done(job.trial.number, outcome, returned, lost)


class EndedBeforeError(Exception):
    """A trial that was to go on has been finished by an earlier process, which nobody heard of.

    Args:
        done: how it ended.
    """

    def __init__(self, done: Done) -> None:
        self.done = done
        super().__init__(done.outcome.status)


def require_not_ended(job: Job, folder: Path, objectives: Sequence[Objective] | None) -> None:
    """Let go of a trial to resume that has ended meanwhile: nothing is trained or written again.

    Raises:
        EndedBeforeError: with its end.
    """
    if (done := _ended_before(job, folder, objectives)) is not None:
        raise EndedBeforeError(done)


def _ended_before(job: Job, folder: Path, objectives: Sequence[Objective] | None) -> Done | None:
    if not job.trial.resume or objectives is None or not has_room(folder, job.trial.attempt):
        return None
    outcome = read_outcome(folder, objectives)
    return Done(job.trial.number, outcome) if outcome is not None and outcome.is_final else None
