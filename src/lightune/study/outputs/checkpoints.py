"""Which trials of a study keep their checkpoints: `search.keep_checkpoints`.

Only files of trials that are over are removed, so that what is under way can go on; the result of a trial is what
makes it finished, and stays. This module must not import torch or Lightning.
"""

import contextlib
import re
import time
from collections.abc import Collection, Iterator, Sequence

from lightune.reporting.result import FILE_NAME as RESULT
from lightune.runtime.removed_checkpoints import remove_checkpoints
from lightune.study.definition.settings import Objective
from lightune.study.observer import Ending
from lightune.study.outcome.outcome import COMPLETE, is_final
from lightune.study.storage.records import TrialRecord, is_seed, ranked_points
from lightune.study.storage.trial_store import TrialStore

__all__ = ["KeptCheckpoints", "trials_to_strip"]

_BEST = re.compile(r"best:([1-9][0-9]*)")
_REASON = "as search.keep_checkpoints of its study says"


class KeptCheckpoints:
    """Remove the checkpoints of trials that are over and not among those to keep.

    Args:
        store: the record of the study's trials, and its settings.
        every: seconds between two looks, >= 0.
    """

    def __init__(self, store: TrialStore, *, every: float = 2.0) -> None:
        self._store, self._every = store, every
        self._stripped: set[int] = set()
        self._has_news = False
        self._looked = time.monotonic()

    def trial_started(self, number: int) -> None:
        """Do nothing: what is under way needs its checkpoints."""

    def trial_ended(self, trial: TrialRecord) -> None:
        """Take notice that there may be something to remove."""
        self._has_news = True

    def message(self, text: str) -> None:
        """Do nothing: no message is about files."""

    def tick(self) -> None:
        """Remove now and then, so that a long study needs little room."""
        if self._has_news and time.monotonic() - self._looked >= self._every:
            self._strip(self._store.records(), self._store.best())

    def study_ended(self, ending: Ending) -> None:
        """Remove what is left, of trials that ended in another process, too."""
        self._strip(ending.trials, ending.best)

    def _strip(self, trials: Sequence[TrialRecord], best: Sequence[TrialRecord]) -> None:
        settings = self._store.settings
        if settings.keep_checkpoints == "all":
            return
        whole = sum(is_final(trial.state) for trial in trials) >= self._store.n_trials
        numbers = {trial.number for trial in best}
        for trial in trials_to_strip(trials, numbers, settings.keep_checkpoints, settings.objectives, whole=whole):
            if trial.number not in self._stripped and trial.folder is not None:
                with contextlib.suppress(OSError):  # a full or read-only disk is said by what has to write
                    folder = self._store.folder / trial.folder
                    if (folder / RESULT).is_file():  # one without a result of ours holds files of others
                        remove_checkpoints(folder, _REASON)
                    self._stripped.add(trial.number)
        self._has_news, self._looked = False, time.monotonic()


def trials_to_strip(
    trials: Sequence[TrialRecord],
    best: Collection[int],
    keep: str,
    objectives: Sequence[Objective],
    *,
    whole: bool,
) -> Iterator[TrialRecord]:
    """Yield the trials whose checkpoints are not kept: completed and pruned ones, which nothing goes on with.

    Args:
        trials: all of the study's.
        best: the numbers of the best, or of the Pareto front.
        keep: `best:K`, `none` or `all`. Of several objectives, `best:K` keeps the front.
        objectives: of the study.
        whole: whether all trials are over. Where the seed is swept, the best point is known only then.
    """
    found = _BEST.fullmatch(keep)
    if keep == "all" or (found and not whole and any(is_seed(key) for trial in trials for key in trial.point)):
        return
    kept = set(best) if found else set()
    if found and len(objectives) == 1:
        valued = [trial for trial in trials if trial.values is not None]
        for point in ranked_points(valued, objectives[0])[: int(found[1])]:
            kept.update(trial.number for trial in point.trials)
    for trial in trials:
        if trial.number not in kept and (trial.state in COMPLETE or trial.state == "pruned"):
            yield trial
