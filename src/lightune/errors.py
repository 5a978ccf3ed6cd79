"""What lightune raises, from the general to the special.

    LightuneError
    ├── ConfigError        the configuration, the data or the arguments cannot run; nothing was started
    ├── StorageError       the record of a study's trials cannot be read or written
    ├── TrialError         a trial of a study failed; its folder says why
    ├── StudyFailedError   a study came to nothing
    ├── TrainingError      a training failed after it had begun; its result was written
    ├── UnwritableError    the disk takes nothing: it is full or read-only
    └── CheckpointError    a checkpoint is missing, damaged or not to be trusted
    KeyboardInterrupt
    ├── InterruptedRun     a training was stopped from outside; its result was written
    └── InterruptedStudy   a study was stopped from outside; the same call goes on with it

This module must not import torch or Lightning.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lightune.reporting.result import Result

from lightune.wording import counted

__all__ = [
    "CheckpointError",
    "ConfigError",
    "InterruptedRun",
    "InterruptedStudy",
    "LightuneError",
    "Problem",
    "StopRequested",
    "StorageError",
    "StudyFailedError",
    "TrainingError",
    "TrialError",
    "UnwritableError",
    "memory_asked",
    "one_line",
    "reason_of",
]

_ALLOCATOR = re.compile(r"can't allocate memory: you tried to allocate (\d+) bytes")
_INSIDE_TORCH = re.compile(r"\s*(Exception raised from|frame #0:) .*")  # a trace of its own C++ code


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a configuration.

    Args:
        key: the dotted configuration key, as typed on the command line.
        message: the rule, the value, and what to do.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class LightuneError(Exception):
    """Base of everything that lightune raises on purpose."""


class ConfigError(LightuneError):
    """Refuse a configuration, with all that is wrong in it at once.

    Args:
        problems: what was found; at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


class StopRequested(BaseException):
    """A signal asked a run to stop.

    Args:
        signum: its number.
    """

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(signal.Signals(signum).name)


class CheckpointError(LightuneError):
    """Refuse a checkpoint file; the message names the file and what is wrong with it."""


class StorageError(LightuneError):
    """Refuse a record of trials that cannot be read or written; the message says which and what to do."""


class TrialError(LightuneError):
    """A trial of a study failed; its folder holds the traceback."""


class UnwritableError(LightuneError):
    """The disk takes nothing, as it is full or read-only; what was to be written is not to blame."""


class StudyFailedError(LightuneError):
    """A study came to nothing: no trial finished, or more failed than it puts up with; it was said which."""


class TrainingError(LightuneError):
    """A training failed after it had begun; `result` is what it left, the cause is what happened."""

    def __init__(self, result: "Result") -> None:
        self.result = result
        reason = f"{result.error.type}: {result.error.message}" if result.error else result.status
        super().__init__(f"{reason} (see {result.run_dir})")


class InterruptedRun(KeyboardInterrupt):
    """A training was stopped from outside; `result` is what it left, `exit_code` what a shell expects."""

    def __init__(self, result: "Result", exit_code: int) -> None:
        self.result = result
        self.exit_code = exit_code
        super().__init__("interrupted")


class InterruptedStudy(KeyboardInterrupt):
    """A study was stopped from outside; `folder` is the study's, `exit_code` what a shell expects."""

    def __init__(self, folder: "Path", exit_code: int) -> None:
        self.folder = folder
        self.exit_code = exit_code
        super().__init__(f"the study {folder.name} was stopped; the same call goes on with it")


def one_line(error: BaseException) -> str:
    """Return an error as a line: its type and what it says; of a configuration, each problem."""
    if isinstance(error, ConfigError):
        return "; ".join(str(problem) for problem in error.problems)
    return f"{type(error).__name__}: {reason_of(error)}"


def reason_of(error: BaseException) -> str:
    """Return what an error says as one line, without what torch adds about its own code."""
    said, cut = _INSIDE_TORCH.subn("", " ".join(str(error).split()))
    return memory_asked(error) or (f'{said}"' if cut and said.count('"') % 2 else said)


def memory_asked(error: BaseException) -> str | None:
    """Return how much memory was asked for where main memory could not give it; None if the error is another."""
    found = _ALLOCATOR.search(str(error)) if isinstance(error, RuntimeError) else None
    if found is None:
        return None
    size = int(found[1])
    shown = f"{size / 1e9:,.0f} GB" if size > 1e9 else f"{size / 1e6:,.1f} MB"
    return f"{shown} of memory were asked for at once"


def render(problems: Sequence[Problem]) -> str:
    """Lay problems out as the block that a refused command prints."""
    width = max((len(problem.key) for problem in problems), default=0)
    lines = [f"lightune: {counted(len(problems), 'problem')}, nothing was started"]
    lines += [f"  {problem.key:<{width}}  {problem.message}" for problem in problems]
    return "\n".join(lines)
