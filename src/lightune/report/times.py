"""When the trials of a study ran, and which beside each other.

This module must not import torch or Lightning, nor Optuna at its top.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lightune.study.storage.records import PAUSES

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Span", "journal_spans", "spans_of"]


class Span(NamedTuple):
    """A time in which a trial ran.

    Args:
        slot: number of the place that it had, from 0.
        start: seconds after the first trial of the study.
        end: seconds after the first trial of the study.
    """

    slot: int
    start: float
    end: float


def spans_of(trials: "Iterable[FrozenTrial]") -> Mapping[int, Sequence[Span]]:
    """Return when each trial ran that has ended, by its number.

    One whose study was stopped, or killed, and went on later ran in parts.

    Args:
        trials: as Optuna has them.
    """
    times = sorted(
        (*part, trial.number)
        for trial in trials
        if trial.datetime_start is not None and trial.datetime_complete is not None
        for part in _parts(
            trial.datetime_start.timestamp(), trial.datetime_complete.timestamp(), trial.user_attrs.get(PAUSES)
        )
    )
    free: list[float] = []
    found: dict[int, list[Span]] = {}
    for start, end, number in times:
        slot = next((place for place, since in enumerate(free) if since <= start + 1e-6), len(free))
        free[slot : slot + 1] = [end]
        found.setdefault(number, []).append(Span(slot, start - times[0][0], end - times[0][0]))
    return found


def _parts(start: float, end: float, pauses: Any) -> Iterator[tuple[float, float]]:
    """Yield the times between a start and an end in which there was no pause; the last may be none at all."""
    for pause in pauses if isinstance(pauses, list) else []:
        since, until = map(float, pause)
        yield start, min(max(since, start), end)
        start = min(max(until, start), end)
    yield start, end


def journal_spans(folder: Path) -> Mapping[int, Sequence[Span]]:
    """Return when each trial of a study ran, as its journal says; nothing where that is damaged, or a database.

    Args:
        folder: the study's.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from lightune.study.storage.journal import JOURNAL

    file = folder / JOURNAL
    if not file.is_file() or file.is_symlink():
        return {}
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        storage = JournalStorage(JournalFileBackend(str(file)))
        names = optuna.get_all_study_names(storage)
        study = optuna.load_study(study_name=names[0], storage=storage)
        return spans_of(study.get_trials(deepcopy=False))
    except Exception:  # noqa: BLE001 - a damaged journal has no errors of its own, and a page does without it
        return {}
