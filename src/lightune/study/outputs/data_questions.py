"""What the data of a study's trials should make one ask: told once, by the first trial that has ended."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from lightune.paths import DATA_FILE
from lightune.runtime.plain_text import visible
from lightune.study.context import StudyContext
from lightune.study.observer import Ending
from lightune.study.storage.records import TrialRecord

__all__ = ["DataQuestions"]


class DataQuestions:
    """Print the questions of `data.json` in the folder of the first trial that has one.

    Args:
        study: that runs.
        show: prints a line.
    """

    def __init__(self, study: StudyContext, show: Callable[[str], None]) -> None:
        self._folder, self._show = study.folder, show
        self._told = study.resumed

    def message(self, text: str) -> None:
        """Do nothing."""

    def trial_started(self, number: int) -> None:
        """Do nothing: its data may not be read yet."""

    def trial_ended(self, trial: TrialRecord) -> None:
        """Tell what there is to ask, unless that was done."""
        if self._told or trial.folder is None:
            return
        file = self._folder / trial.folder / DATA_FILE
        if file.is_file():
            self._told = True
            for question in _questions(file):
                self._show(f"the data of all trials: {visible(question)}")

    def tick(self) -> None:
        """Do nothing."""

    def study_ended(self, ending: Ending) -> None:
        """Do nothing."""


def _questions(file: Path) -> Iterator[str]:
    try:
        report = json.loads(file.read_text(encoding="utf-8"))["report"]
        yield from (str(remark) for subject, remark in report if subject == "question")
    except (OSError, ValueError, KeyError, TypeError):
        return
