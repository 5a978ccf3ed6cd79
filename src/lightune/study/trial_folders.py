"""See that each trial of a study has a folder of its own, with a name that a file system takes.

By default a trial's folder is its number; this is about a `hydra.sweep.subdir` that says otherwise. This module
must not import Optuna, torch or Lightning.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lightune.errors import Problem
from lightune.private_api.omegaconf import text_of
from lightune.study.hydra.composer import Composer
from lightune.study.hydra.run_job import subfolder_of
from lightune.study.space.space import Point

__all__ = ["KEY", "FolderNames", "has_number", "is_number_alone", "name_problem", "trial_folder"]

KEY = "hydra.sweep.subdir"
_NUMBER = re.compile(r"\$\{hydra[.:]job\.(num|id)\}")
_LONGEST_NAME = 255  # bytes, on the usual file systems
_LONGEST_SHOWN = 40


def has_number(config: DictConfig) -> bool:
    """Return True if the name of a trial's folder holds its number.

    Args:
        config: of the multirun.
    """
    return _NUMBER.search(str(text_of(config.hydra.sweep, "subdir"))) is not None


def is_number_alone(config: DictConfig) -> bool:
    """Return True if the name of a trial's folder depends on nothing but its number."""
    return has_number(config) and "${" not in _NUMBER.sub("", str(text_of(config.hydra.sweep, "subdir")))


def trial_folder(composer: Composer, overrides: Sequence[str], number: int) -> Path:
    """Return where a trial will write, relative to the study's folder.

    Args:
        composer: of the study.
        overrides: of the trial.
        number: of the trial.

    Raises:
        OmegaConfBaseException: if its name cannot be resolved.
        HydraException: if the trial cannot be composed.
    """
    made = composer.compose_for_job(overrides)
    return subfolder_of(made, number)


def name_problem(folder: Path) -> str | None:
    """Return why a file system does not take a folder's name; None if it does."""
    for part in folder.parts:
        if (size := len(part.encode())) > _LONGEST_NAME:
            return (
                f"must give names of at most {_LONGEST_NAME} bytes, got one of {size} ({part[:_LONGEST_SHOWN]}…)"
            )
        if "\0" in part:
            return f"must give names without a null character, got {part!r}"
    return None


class FolderNames:
    """Judge the folders of trials before the first one.

    Args:
        config: of the multirun.
        folder_of: returns the folder of the trial with some overrides and a number.
    """

    def __init__(self, config: DictConfig, folder_of: Callable[[Sequence[str], int], Path]) -> None:
        self._needed = not is_number_alone(config)
        self._unique = has_number(config)
        self._folder_of = folder_of
        self._problems: list[Problem] = []
        self._seen: dict[Path, Point] = {}

    def add(self, overrides: Sequence[str], point: Point) -> None:
        """Take note of a trial."""
        if not self._needed:
            return
        try:
            folder = self._folder_of(overrides, 0)
        except OmegaConfBaseException as error:
            self._problems.append(Problem(KEY, f"cannot be resolved: {str(error).splitlines()[0]}"))
            return
        if (rule := name_problem(folder)) is not None:
            self._problems.append(Problem(KEY, f"{rule}; leave it away, and trials are named by their numbers"))
        other = self._seen.setdefault(folder, point)
        if not self._unique and other != point:
            self._problems.append(Problem(KEY, _shared(folder, other, point)))

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the folders, once of each kind."""
        yield from {
            problem.message.partition(", got ")[0]: problem for problem in reversed(self._problems)
        }.values()


def _shared(folder: Path, one: Mapping[str, str], other: Mapping[str, str]) -> str:
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    named = [" ".join(f"{key}={point[key]}" for key in keys if key in point) for point in (one, other)]
    rule = (
        f"must give each trial a folder of its own, got {folder.name} for {' and for '.join(filter(None, named))}"
    )
    return f"{rule}; add ${{hydra.job.num}} to it"
