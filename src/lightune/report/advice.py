"""What a study's figures say, in a line each: the best, what mattered, what ended at its bound, what cost time.

This module must not import Optuna, torch or Lightning.
"""

import math
from collections.abc import Iterator, Sequence

from lightune.report.analysis import Analysis
from lightune.report.next_search import bounds_of
from lightune.report.points import grouped
from lightune.report.run_data import RunData
from lightune.report.study_data import Parameter, StudyData, TrialData
from lightune.study.outputs.reader import shown_value
from lightune.wording import counted

__all__ = ["advice", "best_line", "bound_line", "cost_line", "mattered_line", "more_line"]

_LEAST_SHARE = 0.15  # of the time, that is worth a line
_MOST_NAMED = 4
_LEAST_BEST, _BEST_SHARE = 5, 0.25  # of the points, of which what cost time may have given none
_CHANCE = 0.05  # of a study without any effect, in which a line is said all the same


def advice(study: StudyData, analysis: Analysis) -> list[tuple[str, str]]:
    """Return pairs of a word and a line, in the order in which they are read; without those that say nothing.

    What to type next is for `next_search`.

    Args:
        study: read from its files.
        analysis: of it.
    """
    lines = [
        ("best", best_line(study, analysis)),
        ("mattered", mattered_line(study, analysis)),
        ("at its bound", bound_line(study, analysis)),
        ("costs", cost_line(study)),
        ("more trials", more_line(study, analysis)),
    ]
    return [(name, line) for name, line in lines if line]


def best_line(study: StudyData, analysis: Analysis) -> str:
    """Return which trial is best, and how much of that is luck."""
    if not study.best:
        return ""
    if len(study.objectives) > 1:
        return f"{counted(len(study.best), 'trial')} on the Pareto front, trial {study.best[0].number} first"
    luck = analysis.luck
    figure = study.best_figures()[0]
    if luck.expected is None or luck.found is None or luck.low is None or luck.high is None:
        return f"trial {study.best[0].number}, {figure}; how much is luck is not known: {luck.reason}"
    samples = counted(luck.samples, "sample")
    figure += _ties(study)
    interval = f"{_figure(luck.low)} to {_figure(luck.high)}"
    return (
        f"trial {study.best[0].number}, {figure}; expect {_figure(luck.expected)} on new samples ({interval}): "
        f"the best of {luck.points} on {samples} is lucky by {_figure(abs(luck.found - luck.expected))}"
    )


def _ties(study: StudyData) -> str:
    """Return how many other points are as good, of which the first is called the best."""
    ranked = [trial for trial in grouped(study).ranked() if trial.is_complete]
    others = sum(trial.reached == ranked[0].reached for trial in ranked) - 1 if ranked else 0
    return f" (as {counted(others, 'other')})" if others else ""


def mattered_line(study: StudyData, analysis: Analysis) -> str:
    """Return which parameters mattered, and which cannot be told from chance."""
    if not study.searched or not any(analysis.importances):
        return ""
    labels = {parameter.key: parameter.label for parameter in study.searched}
    several = len(study.objectives) > 1
    parts = []
    for (metric, _), some in zip(study.objectives, analysis.importances, strict=True):
        named = [f"{labels[each.key]} {each.share:.0%}" for each in some if each.matters and each.key in labels]
        if named:
            parts.append(f"{metric}: {', '.join(named)}" if several else ", ".join(named))
    mattered = set(analysis.mattered)
    others = [
        labels[each.key] for each in analysis.importances[0] if each.key not in mattered and each.key in labels
    ]
    rest = f"not told from chance: {', '.join(others)}" if others else ""
    return "; ".join(filter(None, [*parts, rest]))


def bound_line(study: StudyData, analysis: Analysis) -> str:
    """Return what ended at its bound, if that is not chance, and whether training did.

    Args:
        study: read from its files.
        analysis: of it.
    """
    known, mattered = any(analysis.importances), set(analysis.mattered)
    numbers = sum(parameter.is_number for parameter in study.searched)
    parts = [
        f"{bound.parameter.label}={shown_value(bound.value)}, the {'upper' if bound.upper else 'lower'} end of "
        f"{bound.parameter.low:g} to {bound.parameter.high:g}"
        for bound in bounds_of(study)
        if (bound.parameter.key in mattered if known else _has_trend(study, bound.parameter, _CHANCE / numbers))
    ]
    return "; ".join([*parts, *_last_epoch(study)])


def _has_trend(study: StudyData, parameter: Parameter, level: float) -> bool:
    """Return whether values go with a parameter, where trials are too few for importances."""
    from lightune.statistics.chance import rank_correlation

    pairs = [
        (place, trial.reached)
        for trial in grouped(study).ranked()
        if (place := parameter.place(trial.point.get(parameter.key))) is not None and trial.reached is not None
    ]
    return len(pairs) > 2 and rank_correlation(*zip(*pairs, strict=True)) <= level


def _last_epoch(study: StudyData) -> Iterator[str]:
    """Yield that the best was still getting better when its training ended, where more were than by chance."""
    best = study.best[0].run if study.best else None
    if best is None or not _ended_best(best):
        return
    from lightune.statistics.chance import at_least

    runs = [trial.run for trial in study.complete if _is_timed(trial.run)]
    if at_least(sum(map(_ended_best, runs)), [1 / (run.epochs or 1) for run in runs]) <= _CHANCE:
        yield f"the best was reached in the last of {best.epochs} epochs: train longer"


def _is_timed(run: RunData) -> bool:
    """Return whether a run of one fit was trained for as long as it was told to, for more than one epoch."""
    return run.status == "completed" and not run.fits and run.best_epoch is not None and (run.epochs or 0) > 1


def _ended_best(run: RunData) -> bool:
    return _is_timed(run) and run.best_epoch == (run.epochs or 0) - 1


def cost_line(study: StudyData) -> str:
    """Return what took most of the time and gave none of the best; nothing if nothing stands out from chance."""
    points = grouped(study)
    timed = [trial for trial in points.trials if trial.seconds]
    total = sum(trial.seconds or 0.0 for trial in timed)
    if not total or len(timed) < 2 * _MOST_NAMED:
        return ""
    ranked = [trial for trial in points.ranked() if trial.seconds]
    best = {trial.number for trial in ranked[: max(_LEAST_BEST, math.ceil(_BEST_SHARE * len(ranked)))]}
    parts = [part for parameter in study.searched for part in _parts(parameter, timed) if part[1]]
    level = _CHANCE / (len(parts) + 1)  # of any claim: each part may be named, and the epochs
    found: list[tuple[float, str]] = []
    for name, trials in parts:
        share = sum(trial.seconds or 0.0 for trial in trials) / total
        if share >= _LEAST_SHARE and _gave_none(trials, ranked, best, level):
            found.append(
                (share, f"{name} took {share:.0%} of {_duration(total)} and is in none of the best {len(best)}")
            )
    failed = sum(trial.seconds or 0.0 for trial in study.trials if trial.state == "failed") / total
    if failed >= _LEAST_SHARE:
        found.append((failed, f"failed trials took {failed:.0%} of {_duration(total)}"))
    if (waste := _after_best(study, level)) is not None:
        found.append(waste)
    return max(found)[1] if found else ""


def _gave_none(trials: Sequence[TrialData], ranked: Sequence[TrialData], best: set[int], level: float) -> bool:
    from lightune.statistics.chance import all_missed

    numbers = {trial.number for trial in trials}
    marked = sum(trial.number in numbers for trial in ranked)
    return not numbers & best and all_missed(len(ranked), marked, len(best)) <= level


def more_line(study: StudyData, analysis: Analysis) -> str:
    """Return what the second half of the points of a random search bought; nothing of other searches."""
    luck, count = analysis.luck, len(study.complete)
    if luck.half is None or luck.found is None:
        return ""
    first = f"{count // 2} of these {count} random points are expected to reach {_figure(luck.half)}"
    bought = _figure(abs(luck.found - luck.half))
    return f"{first}, all of them reached {_figure(luck.found)}: the second half bought {bought}"


def _parts(parameter: Parameter, trials: list[TrialData]) -> Iterator[tuple[str, list[TrialData]]]:
    """Yield what a parameter's values are divided into, with the trials of each: words, or thirds of numbers."""
    if not parameter.is_number or len(set(parameter.values)) in (2, 3, 4, 5):
        for value in parameter.values:
            same = [trial for trial in trials if trial.point.get(parameter.key) == value]
            yield f"{parameter.label}={shown_value(value)}", same
        return
    placed = [
        (place, trial)
        for trial in trials
        if (place := parameter.place(trial.point.get(parameter.key))) is not None
    ]
    for third in range(3):
        low, high = third / 3, (third + 1) / 3
        inside = [trial for place, trial in placed if low <= place < high or (third == 2 and place >= 1)]
        first, last = parameter.at(low), parameter.at(high)
        yield f"{parameter.label} from {first:.3g} to {last:.3g}", inside


def _after_best(study: StudyData, level: float) -> tuple[float, str] | None:
    """Return the share of all epochs that came after the best one of their trial, where that is most of them."""
    from lightune.statistics.chance import at_least

    runs = [trial.run for trial in study.complete if trial.run.best_epoch is not None and trial.run.epochs]
    epochs = [run.epochs or 0 for run in runs]
    after = [count - (run.best_epoch or 0) - 1 for count, run in zip(epochs, runs, strict=True)]
    early = sum(late > count / 2 for late, count in zip(after, epochs, strict=True))
    if sum(after) < 0.5 * sum(epochs) or at_least(early, [0.5] * len(runs)) > level:
        return None
    share = sum(after) / sum(epochs)
    return share * 0.5, f"{share:.0%} of the epochs of complete trials came after their best one"


def _figure(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.6g}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
