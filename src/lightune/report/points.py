"""A study whose swept seeds are repeats of points: a row a point, with the mean over its seeds.

This module must not import Optuna, torch or Lightning.
"""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from lightune.report.study_data import StudyData, TrialData

__all__ = ["grouped"]

_OPEN_FIRST = ("running", "interrupted", "failed", "pruned", "early_stopped")
"""Of the states of several seeds, the first of these is that of the point."""


def grouped(study: StudyData) -> StudyData:
    """Return a study with a trial for each point, and without its seeds; as it is, where no seed is swept.

    A point has the number of its first trial with values, the means of its trials' values, and their standard
    deviation. In a grid, one that lacks a seed is no candidate for the best, and stands behind the others.

    Args:
        study: read from its files.
    """
    if len(study.searched) == len(study.parameters):
        return study
    keys = [parameter.key for parameter in study.searched]
    points: dict[tuple[str | None, ...], list[TrialData]] = {}
    for trial in study.trials:
        points.setdefault(tuple(trial.point.get(key) for key in keys), []).append(trial)
    most = max((sum(trial.is_complete for trial in trials) for trials in points.values()), default=0)
    least = most if study.is_grid else 1
    made = [_point(trials, keys, least) for trials in points.values()]
    return replace(study, parameters=study.searched, trials=tuple(sorted(made, key=lambda each: each.number)))


def _point(trials: Sequence[TrialData], keys: Sequence[str], least: int) -> TrialData:
    valued = [trial for trial in trials if trial.is_complete]
    lacks = len(valued) < least or not valued
    counted = valued if valued else [trial for trial in trials if trial.reached is not None]
    first = (counted or trials)[0]
    reached = [trial.reached for trial in counted if trial.reached is not None]
    values = None
    if not lacks:
        values = tuple(map(statistics.fmean, zip(*(trial.values or () for trial in valued), strict=True)))
    seconds = [trial.seconds for trial in trials if trial.seconds is not None]
    epochs = [trial.epochs for trial in trials if trial.epochs is not None]
    run = replace(
        first.run,
        std=statistics.stdev(reached) if len(reached) > 1 else first.std,
        epochs=sum(epochs) if epochs else None,
        best_epoch=first.run.best_epoch if len(trials) == 1 else None,
    )
    return replace(
        first,
        state=_state(trials if lacks else valued),
        values=values,
        reached=statistics.fmean(reached) if reached else None,
        point={key: first.point[key] for key in keys if key in first.point},
        seconds=sum(seconds) if seconds else None,
        error=next((trial.error for trial in trials if trial.error), None),
        run=run,
        curve=_mean_curve([trial.curve for trial in counted]),
        seeds=len(counted),
        lacks=lacks,
    )


def _state(trials: Sequence[TrialData]) -> str:
    states = {trial.state for trial in trials}
    return next((state for state in _OPEN_FIRST if state in states), trials[0].state)


def _mean_curve(curves: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    """Return the mean of curves, as far as all of them go."""
    columns = zip(*(curve for curve in curves if curve), strict=False)
    known = [[value for value in column if value is not None] for column in columns]
    return tuple(statistics.fmean(column) if column else None for column in known)
