"""What a study's page shows, as plain values that its script reads: thinned, rounded, nothing twice.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightune.report.analysis import Analysis
from lightune.report.points import grouped
from lightune.report.study_data import Parameter, StudyData, TrialData, as_number
from lightune.report.tables import columns_of, differing, trial_cells
from lightune.report.times import Span

__all__ = ["page_data", "thinned"]

_MOST_POINTS = 12_000  # of all curves
_LEAST_POINTS = 6  # of a curve
_MOST_PAIRED = 6
_CHANCE = 0.05


def page_data(
    study: StudyData,
    analysis: Analysis,
    trials: Sequence[TrialData],
    spans: Mapping[int, Sequence[Span]],
    *,
    live: int | None,
) -> dict[str, Any]:
    """Return the data of a page.

    Args:
        study: read with its curves; a row is a trial, or a point where seeds are swept.
        analysis: of it.
        trials: or points, in the order in which the table begins.
        spans: when each trial ran.
        live: seconds after which the page loads itself again; None of a study that is over.
    """
    whole, study = study, grouped(study)
    columns = columns_of(study)
    names = [column.name for column in columns]
    swept = differing(study)
    parameters = dict(zip(names[len(names) - len(swept) :], swept, strict=True))
    cells = [trial_cells(study, trial) for trial in study.trials]
    rows = [[_short(cell.get(name)) for name in names] for cell in cells]
    state = names.index("state")
    for row in rows:
        row[state] = str(row[state]).replace("_", " ")
    measures = [names.index(metric) for metric, _ in study.objectives]
    described = []
    for place, column in enumerate(columns):
        about: dict[str, Any] = {"name": column.name, "title": column.title, "kind": "num"}
        if column.name in parameters:
            about |= _axis(parameters[column.name], [row[place] for row in rows])
        elif not column.number:
            about |= {"kind": "text", "values": sorted({str(row[place]) for row in rows})}
        if place in measures:
            about["axis"] = True
        described.append(about)
    pair = _pair(study, analysis, names, parameters)
    place_of = {trial.number: place for place, trial in enumerate(study.trials)}
    return {
        "key": f"lightune {study.folder.resolve()}",
        "mode": study.mode,
        "columns": described,
        "rows": rows,
        "number": names.index("trial"),
        "value": measures[0],
        "measures": measures,
        "state": state,
        "params": [names.index(name) for name in parameters],
        "best": [place_of[trial.number] for trial in study.best],
        "order": [place_of[trial.number] for trial in trials],
        "spread": {place_of[trial.number]: f"{trial.std:.2g}" for trial in study.trials if trial.std is not None},
        "errors": {place_of[trial.number]: trial.error for trial in study.trials if trial.error},
        "curves": thinned([trial.curve for trial in study.trials]),
        "pair": None if pair is None else pair["columns"],
        "interacts": pair is not None and pair["told"],
        "times": [
            [row, span.slot, round(span.start, 1), round(span.end, 1)]
            for number, row in _rows_of(whole, study).items()
            for span in spans.get(number, ())
        ],
        "live": live,
    }


def _rows_of(whole: StudyData, study: StudyData) -> dict[int, int]:
    """Return trial number → the row that the trial is in, or that of its point."""
    keys = [parameter.key for parameter in study.parameters]
    if len(keys) == len(whole.parameters):
        return {trial.number: row for row, trial in enumerate(study.trials)}
    rows = {tuple(point.point.get(key) for key in keys): row for row, point in enumerate(study.trials)}
    return {trial.number: rows[tuple(trial.point.get(key) for key in keys)] for trial in whole.trials}


def thinned(curves: Sequence[Sequence[float | None]]) -> list[list[list[float]] | None]:
    """Return pairs of an epoch, from 1, and a value; of many long curves only some points, the last among them.

    Args:
        curves: a value an epoch, None where it was not measured.
    """
    most = max(_LEAST_POINTS, _MOST_POINTS // max(1, len(curves)))
    found: list[list[list[float]] | None] = []
    for curve in curves:
        points = [[epoch, _rounded(value, 4)] for epoch, value in enumerate(curve, 1) if value is not None]
        if len(points) > most:
            last = len(points) - 1
            points = [points[round(place * last / (most - 1))] for place in range(most)]
        found.append(points or None)
    return found


def _axis(parameter: Parameter, values: Sequence[Any]) -> dict[str, Any]:
    if parameter.is_number and all(isinstance(value, int | float | None) for value in values):
        kind = "log" if parameter.log else "num"
        about = {"kind": kind, "low": parameter.low, "high": parameter.high}
        return about if parameter.interval else {**about, "listed": [*map(as_number, parameter.values)]}
    seen = [str(value) for value in values if value is not None]
    return {"kind": "text", "values": list(dict.fromkeys([*map(str, parameter.values), *seen]))}


def _pair(
    study: StudyData, analysis: Analysis, names: Sequence[str], parameters: Mapping[str, Parameter]
) -> dict[str, Any] | None:
    """Return the columns of the two parameters that interact most, and whether that is told from chance."""
    from lightune.statistics.interaction import levels_of, most_interacting

    trials = [trial for trial in study.trials if trial.reached is not None]
    ranked = [each.key for each in analysis.importances[0]] if analysis.importances else []
    places = {parameter.key: name for name, parameter in parameters.items() if not parameter.is_seed}
    chosen = [key for key in ranked if key in places][:_MOST_PAIRED] or list(places)[:_MOST_PAIRED]
    levels: dict[str, list[int]] = {}
    for key in chosen:
        parameter = parameters[places[key]]
        texts = [trial.point.get(key) for trial in trials]
        if any(text is None for text in texts):
            continue
        numbers = [parameter.place(text) for text in texts]
        if parameter.is_number and None not in numbers:
            levels[key] = levels_of([number for number in numbers if number is not None])
        else:
            known = list(dict.fromkeys(texts))
            levels[key] = [known.index(text) for text in texts]
    if len(levels) < 2:
        return None
    pair = most_interacting(levels, [trial.reached or 0.0 for trial in trials])
    if pair is None:
        return None
    columns = [names.index(places[key]) for key in (pair.first, pair.second)]
    return {"columns": columns, "told": pair.p <= _CHANCE}


def _short(value: Any) -> Any:
    return _rounded(value, 6) if isinstance(value, float) else value


def _rounded(value: float, digits: int) -> float | int:
    number = float(f"{value:.{digits}g}")
    return int(number) if number.is_integer() and abs(number) < 1e15 else number
