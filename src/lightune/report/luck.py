"""How much of a study's best figure is luck, from the validation predictions that its trials left.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lightune.report.findings import Luck
from lightune.report.scores import figure_of, kinds_of, sample_scores
from lightune.report.study_data import StudyData, TrialData
from lightune.statistics.best_of_many import corrected_best, expected_best

__all__ = ["luck_of"]

_CLOSE = 0.02  # of the figure: as far as a mean over samples may be from one over folds
_LEAST, _LEAST_RANDOM = 2, 10
_SHARE = 0.8  # of the trials whose predictions must say what they are judged by


def luck_of(study: StudyData) -> Luck:
    """Return what the best of a study is worth.

    A point that was tried with several seeds is judged by the mean of their scores.

    Args:
        study: read from its files.
    """
    return replace(_corrected(study), half=_half(study))


def _half(study: StudyData) -> float | None:
    target = str(study.spec.sampler.get("_target_")) if isinstance(study.spec.sampler, dict) else ""
    values = [trial.reached for trial in study.complete if trial.reached is not None]
    if not target.endswith("RandomSampler") or len(study.objectives) > 1 or len(values) < _LEAST_RANDOM:
        return None
    return float(expected_best(np.array(values), mode=study.mode)[len(values) // 2 - 1])


def _corrected(study: StudyData) -> Luck:
    found = study.best_value
    kinds = kinds_of(study.metric)
    if len(study.objectives) > 1:
        return Luck(found, reason="a Pareto front has no single best")
    if len(study.complete) < _LEAST:
        return Luck(found, reason="it takes two trials with a value")
    if not kinds:
        return Luck(found, reason=f"{study.metric} is no mean over samples, as accuracies, losses and errors are")
    for kind in kinds:
        known = [(trial, said) for trial in study.complete if (said := _fitting(trial, kind)) is not None]
        if len(known) < max(_LEAST, _SHARE * len(study.complete)):
            continue
        rows = known[0][1][0]
        if not all(np.array_equal(rows, other) for _, (other, _) in known):
            return Luck(found, reason="its trials were judged on different rows")
        scores = _by_point(study, [trial for trial, _ in known], [each for _, (_, each) in known])
        if len(scores) < _LEAST:
            return Luck(found, reason="it takes two points, and its trials differ in their seeds alone")
        corrected = corrected_best(scores, mode=study.mode, figure=figure_of(kind))
        return Luck(found, *corrected, points=len(scores), samples=len(rows))
    return Luck(found, reason=_why_not(study))


def _fitting(trial: TrialData, kind: str) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Return the rows and scores of a trial, in the order of the rows, if their figure is that of the trial."""
    if trial.folder is None or trial.reached is None:
        return None
    found = sample_scores(trial.folder, kind)
    if found is None:
        return None
    said = float(figure_of(kind)(found.scores.mean()))
    if abs(said - trial.reached) > _CLOSE * max(abs(trial.reached), 1e-6):
        return None
    order = np.argsort(found.rows, kind="stable")
    return found.rows[order], found.scores[order]


def _by_point(
    study: StudyData, trials: Sequence[TrialData], scores: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    searched = [parameter.key for parameter in study.searched]
    points: dict[tuple[str | None, ...], list[NDArray[np.float64]]] = {}
    for trial, score in zip(trials, scores, strict=True):
        key = tuple(trial.point.get(key) for key in searched)
        if len(searched) == len(study.parameters):
            key = (*key, str(trial.number))  # no seed is swept: a point tried again is another trial
        points.setdefault(key, []).append(score)
    return np.stack([np.mean(each, axis=0) for each in points.values()])


def _why_not(study: StudyData) -> str:
    left = sum(
        trial.folder is not None and any(trial.folder.rglob("predictions_val.npz")) for trial in study.complete
    )
    if left < _SHARE * len(study.complete):
        return f"{left} of {len(study.complete)} trials have left their validation predictions"
    return f"the predictions that its trials left do not give {study.metric}"
