"""What watches a study and keeps its page: rewritten while it runs, so seldom that it costs next to nothing."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightune.errors import ConfigError
from lightune.paths import shown_path
from lightune.report.analysis import Analysis, analyse, ended, keep_analysis, read_analysis
from lightune.report.difference import Difference, default_configuration, differences, read_configuration
from lightune.report.fixed_words import fixed_words
from lightune.report.page import page
from lightune.report.study_data import StudyData, read_study
from lightune.report.text import print_advice
from lightune.report.times import Span, journal_spans, spans_of
from lightune.runtime.atomic_files import write_whole
from lightune.runtime.plain_text import visible
from lightune.runtime.terminal import Terminal
from lightune.study.context import StudyContext
from lightune.study.observer import Ending
from lightune.study.storage.records import TrialRecord
from lightune.study.storage.trial_store import TrialStore

__all__ = ["FILE_NAME", "StudyReport", "best_difference", "write_report"]

FILE_NAME = "report.html"
_MOST_SHARE = 0.02  # of the study's time
_GROWTH = 1.1  # trials over those of the last analysis, before the next


class StudyReport:
    """Keep the page of a study, and say at its end what its figures say.

    Args:
        study: that runs.
        store: the record of its trials.
        every: seconds between two pages, at least.
    """

    def __init__(self, study: StudyContext, store: TrialStore, *, every: float = 10.0) -> None:
        self._study, self._store, self._every = study, store, every
        self._read: StudyData | None = None
        self._analysis: Analysis | None = None
        self._next = time.monotonic() + every
        self._has_news = False
        self._failed = False

    def trial_started(self, number: int) -> None:
        """Do nothing: it has no figure yet."""

    def trial_ended(self, trial: TrialRecord) -> None:
        """Take notice of something to show."""
        self._has_news = True

    def message(self, text: str) -> None:
        """Do nothing: a page has no messages."""

    def tick(self) -> None:
        """Write the page now and then, while the study runs."""
        if not self._has_news or time.monotonic() < self._next:
            return
        began = time.monotonic()
        self._has_news = False
        self._write(live=True)
        spent = time.monotonic() - began
        self._next = time.monotonic() + max(self._every, spent / _MOST_SHARE)

    def study_ended(self, ending: Ending) -> None:
        """Write the page as it stays."""
        self._write(live=False)

    def conclude(self) -> None:
        """Print what the figures say, and where the page lies."""
        if self._read is None or self._analysis is None:
            return
        console = Terminal()
        print_advice(self._read, self._analysis, console)
        file = self._study.folder / FILE_NAME
        if file.is_file():
            self._study.print_line(f"look at it: {shown_path(file)}")

    def _write(self, *, live: bool) -> None:
        """Write the page; what is wrong with it is said once, and does not end the study."""
        try:
            self._read = read_study(self._study.folder, curves=True, before=self._read)
            self._analysis = self._analysed(self._read, live=live)
            spans = spans_of(self._store.study.get_trials(deepcopy=False))
            write_report(self._read, self._analysis, spans, live=live)
        except Exception as error:  # noqa: BLE001 - days of training are worth more than a page about them
            if not self._failed:
                reason = "; ".join(map(str, error.problems)) if isinstance(error, ConfigError) else str(error)
                self._study.print_line(f"{FILE_NAME} cannot be written: {visible(reason or type(error).__name__)}")
            self._failed = True

    def _analysed(self, study: StudyData, *, live: bool) -> Analysis:
        """Return the analysis: while the study runs, of so many trials that it is worth its time."""
        if not live:
            analysis = analyse(study)
            keep_analysis(study, analysis)
            return analysis
        known = self._analysis or read_analysis(study)
        if known is None or ended(study) >= max(_GROWTH * known.trials, known.trials + 1):
            return analyse(study)
        return known


def write_report(
    study: StudyData, analysis: Analysis, spans: Mapping[int, Sequence[Span]] | None = None, *, live: bool = False,
    file: Path | None = None,
) -> Path:  # fmt: skip
    """Write the page of a study; return its file.

    Args:
        study: read with its curves.
        analysis: of it.
        spans: when its trials ran; as its journal says by default.
        live: whether it is running.
        file: where to; by default `report.html` in the study's folder.

    Raises:
        OSError: if it cannot be written.
    """
    spans = journal_spans(study.folder) if spans is None else spans
    difference = [] if live else best_difference(study)
    target = file or study.folder / FILE_NAME
    write_whole(target, page(study, analysis, spans=spans, difference=difference, live=live).encode())
    return target


def best_difference(study: StudyData) -> list[Difference]:
    """Return where the best configuration differs from what its command trains without a search.

    Nothing of other programs is read, nor of a command that cannot be composed here.
    """
    best = read_configuration(study.folder / "best.yaml") if study.program is not None else None
    default = None
    if best is not None:
        default = default_configuration(*fixed_words(study))
    return differences(default, best) if best is not None and default is not None else []
