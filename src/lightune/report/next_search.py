"""The search to start after a study, as a command that is ready to type.

What mattered is narrowed to where the best lie, or widened where the best lies at a bound; what did not matter is
fixed at its value in the best trial; the best is tried first. This module must not import Optuna, torch or
Lightning.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lightune.config.override_text import bare_key
from lightune.report.analysis import Analysis
from lightune.report.fixed_words import fixed_lines
from lightune.report.points import grouped
from lightune.report.study_data import Parameter, StudyData, TrialData
from lightune.study.outputs.command import command_line, command_to_go_on, needs_vouching, words_of
from lightune.study.space.dimensions import typed_key

__all__ = ["Bound", "NextSearch", "bounds_of", "leading", "next_search"]

_NEAR = 0.05  # of the width of an interval
_MARGIN = 0.1  # of the width of an interval, around the best
_WIDEN = 0.5  # of the width of an interval, beyond a bound
_LEADING = 5
_SHARE = 0.1
_DROPPED = ("search.study", "search.n_trials", "search.enqueue", "search.timeout", "search.space", "search.seed")
_GRIDS = ("grid", "auto")
_MOST_ENQUEUED = 3
_MOST_LISTED = 6  # numbers, of which the neighbours of the best are the bounds
_LEAST_TRIALS, _MOST_TRIALS = 10, 200


@dataclass(frozen=True)
class Bound:
    """A parameter whose best value lies at the end of what was tried.

    Args:
        parameter: which.
        upper: whether it is the upper end.
        value: of the best trial.
    """

    parameter: Parameter
    upper: bool
    value: str


@dataclass(frozen=True)
class NextSearch:
    """What to type next.

    Args:
        command: as it is typed.
        reason: what it does, in one line.
    """

    command: str
    reason: str


def leading(study: StudyData) -> list[TrialData]:
    """Return the best tenth of the points, five at least; of several objectives, those of the front."""
    if len(study.objectives) > 1:
        return list(study.best)
    ranked = grouped(study).ranked()
    return ranked[: max(_LEADING, math.ceil(_SHARE * len(ranked)))]


def bounds_of(study: StudyData) -> list[Bound]:
    """Return the parameters whose best value lies at the end of what was tried."""
    if not study.best or len(study.objectives) > 1:
        return []
    found = []
    for parameter in study.searched:
        place = parameter.place(study.best[0].point.get(parameter.key))
        if place is None or (not parameter.interval and len(parameter.values) < 3):
            continue
        near = _NEAR if parameter.interval else 1e-9
        if place > 1 - near or place < near:
            found.append(Bound(parameter, place > 0.5, study.best[0].point[parameter.key]))
    return found


def next_search(
    study: StudyData, analysis: Analysis, *, is_allowed: Callable[[str, str], bool] = lambda key, value: True
) -> NextSearch | None:
    """Return the search to start after a study; None if it has no result, or its command cannot be told.

    Args:
        study: read from its files.
        analysis: of it.
        is_allowed: returns whether a key may have a value beyond what was tried.
    """
    if not study.best or not study.parameters or (words := words_of(study.folder, study.spec)) is None:
        return None
    mattered = set(analysis.mattered)
    if not study.is_finished:
        return _again(study, None, "goes on with this study")
    if not any(parameter.key in mattered for parameter in study.searched):
        return _more(study)
    ends = {bound.parameter.key: bound for bound in bounds_of(study)}
    lines, swept, fixed, moved = [], [], [], []
    for parameter in study.searched:
        if parameter.when and parameter.key in mattered:
            continue  # it stays as the study's own space has it, with its condition
        value = study.best[0].point.get(parameter.key)
        if value is None:
            continue
        if parameter.key not in mattered:
            drawn = parameter.interval and not _is_whole(parameter)
            lines.append(
                f"{typed_key(parameter)}={_number(parameter, float(value), upper=True) if drawn else value}"
            )
            fixed.append(parameter.label)
            continue
        text = _narrowed(parameter, study, ends.get(parameter.key), is_allowed)
        lines.append(f"{typed_key(parameter)}={text}")
        if "(" in text or "," in text:
            swept.append(parameter)
        moved.append(parameter.label)
    if not swept:
        return _more(study)
    kept = {_key_of(line) for line in lines}
    own = [line for line in _own_lines(words.overrides) if _key_of(line) not in kept]
    enqueue = f"search.enqueue=[{','.join(_point(trial, swept) for trial in study.best[:_MOST_ENQUEUED])}]"
    count = min(_MOST_TRIALS, max(_LEAST_TRIALS, math.ceil(len(study.trials) / 2)))
    typed = [f"search.n_trials={count}", *lines, *_seeds(study), enqueue]
    if any(map(needs_vouching, typed)):
        return None
    parts = [f"around the best of {', '.join(moved)}"]
    if fixed:
        parts.append(f"{', '.join(fixed)} fixed, which did not matter")
    parts.append("the best is tried first")
    if words.withheld:
        parts.append(f"without {', '.join(words.withheld)}, which only whoever types it can vouch for")
    return NextSearch(command_line(study.spec, words, [*own, *typed]), "; ".join(parts))


def _seeds(study: StudyData) -> list[str]:
    return [
        f"{typed_key(parameter)}={','.join(parameter.values)}"
        for parameter in study.parameters
        if parameter.is_seed and parameter.values and study.is_grid
    ]


def _more(study: StudyData) -> NextSearch | None:
    """Return how to try more of the same, where nothing can be told from chance yet."""
    if study.is_grid:
        return None
    total = 2 * max(study.n_trials or 0, len(study.trials))
    return _again(study, total, "more trials of this study: nothing can be told from chance yet")


def _again(study: StudyData, n_trials: int | None, reason: str) -> NextSearch | None:
    command = command_to_go_on(study.folder, study.spec, n_trials)
    return None if command is None else NextSearch(command, reason)


def _key_of(line: str) -> str:
    return bare_key(line.partition("=")[0])


def _own_lines(overrides: Iterable[str]) -> list[str]:
    """Return the words of the study's own command that stay: no sweep, and none that says how much."""
    kept = []
    for line in fixed_lines(overrides):
        key, _, value = line.partition("=")
        if bare_key(key) in _DROPPED:
            continue
        if bare_key(key) == "search" and value in _GRIDS:
            continue
        kept.append(line)
    has_sampler = any(_key_of(line) == "search" for line in kept)
    return kept if has_sampler else [*kept, "search=tpe"]


def _narrowed(
    parameter: Parameter, study: StudyData, end: Bound | None, is_allowed: Callable[[str, str], bool]
) -> str:
    """Return where to look for a parameter next, as the value of an override."""
    texts = _values(parameter, leading(study))
    if not parameter.is_number:
        return ",".join(dict.fromkeys(text for text in parameter.values if text in texts)) or texts[0]
    first = _values(parameter, study.best[:_MOST_ENQUEUED])
    is_fine = parameter.interval or len(parameter.values) > _MOST_LISTED
    places = _places(parameter, [*texts, *first] if is_fine else first)
    if is_fine:
        low, high = max(min(places) - _MARGIN, 0.0), min(max(places) + _MARGIN, 1.0)
    else:
        low, high = _neighbours(parameter, min(places), max(places))
    if end is not None:
        step = _WIDEN if parameter.interval else 1 / (len(parameter.values) - 1)
        wider = 1 + step if end.upper else -step
        if _may_be(parameter, wider, is_allowed):
            low, high = (low, wider) if end.upper else (wider, high)
    return _interval(parameter, low, high, first)


def _values(parameter: Parameter, trials: Sequence[TrialData]) -> list[str]:
    return [trial.point[parameter.key] for trial in trials if parameter.key in trial.point]


def _places(parameter: Parameter, texts: Sequence[str]) -> list[float]:
    return [place for text in texts if (place := parameter.place(text)) is not None]


def _neighbours(parameter: Parameter, low: float, high: float) -> tuple[float, float]:
    """Return the places of the listed values below and above some."""
    places = sorted(_places(parameter, parameter.values))
    below = [place for place in places if place < low - 1e-9]
    above = [place for place in places if place > high + 1e-9]
    return (below[-1] if below else low), (above[0] if above else high)


def _may_be(parameter: Parameter, place: float, is_allowed: Callable[[str, str], bool]) -> bool:
    number = parameter.at(place)
    assert parameter.low is not None
    if number <= 0 <= parameter.low:
        return False
    return is_allowed(parameter.key, _number(parameter, number, upper=place > 1))


def _interval(parameter: Parameter, low: float, high: float, kept: Sequence[str]) -> str:
    """Return an interval as it is typed, which holds the values that are tried first."""
    first = _number(parameter, parameter.at(low), upper=False)
    last = _number(parameter, parameter.at(high), upper=True)
    first, last = min([*kept, first], key=float), max([*kept, last], key=float)  # rounding may have passed one
    if float(first) >= float(last):
        return kept[0]
    inner = f"int(interval({first},{last}))" if _is_whole(parameter) else f"interval({first},{last})"
    return f"tag(log,{inner})" if parameter.log and float(first) > 0 else inner


def _number(parameter: Parameter, value: float, *, upper: bool) -> str:
    """Return a number as it is typed: a whole one where the parameter has such, else three digits."""
    if _is_whole(parameter):
        return str(math.ceil(value) if upper else math.floor(value))
    return f"{float(f'{value:.3g}'):g}" if value else "0.0"


def _is_whole(parameter: Parameter) -> bool:
    texts: Sequence[Any] = parameter.values or [parameter.low, parameter.high]
    if parameter.values:
        return all(str(text).lstrip("-").isdigit() for text in texts)
    return parameter.whole


def _point(trial: TrialData, parameters: Sequence[Parameter]) -> str:
    pairs = (
        f"{bare_key(parameter.key)}:{trial.point[parameter.key]}"
        for parameter in parameters
        if parameter.key in trial.point and "{" not in parameter.key
    )
    return "{" + ",".join(pairs) + "}"
