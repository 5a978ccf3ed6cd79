"""`report.html`: a study as one page that needs nothing else, and runs no word of what it shows.

This module must not import torch or Lightning, nor Optuna at its top.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightune.report.advice import advice
from lightune.report.allowed_values import allowed_in
from lightune.report.analysis import Analysis
from lightune.report.difference import Difference
from lightune.report.document import asset, document
from lightune.report.explained import COLUMNS, read_explanation
from lightune.report.next_search import next_search
from lightune.report.page_data import page_data
from lightune.report.points import grouped
from lightune.report.study_data import StudyData, TrialData
from lightune.report.tables import columns_of, shown_cells, shown_figure
from lightune.report.times import Span
from lightune.reporting.notebook import in_html
from lightune.study.outputs.command import command_to_go_on
from lightune.wording import counted

__all__ = ["page"]

_WITHOUT_SCRIPT = 50  # rows of the table
_MOST_REASONS, _MOST_NAMED = 20, 4
_RELOAD_SECONDS = 15
_BAR, _ROW = 320, 26  # width of the whole, height of a row, in pixels


def page(
    study: StudyData,
    analysis: Analysis,
    *,
    spans: Mapping[int, Sequence[Span]],
    difference: Sequence[Difference] = (),
    live: bool = False,
) -> str:
    """Return the page of a study.

    Args:
        study: read with its curves.
        analysis: of it.
        spans: when each trial ran.
        difference: of the best configuration from the default.
        live: whether the study is running, and the page loads itself again.
    """
    points = grouped(study)
    trials = points.best_first()
    data = page_data(study, analysis, trials, spans, live=_RELOAD_SECONDS if live else None)
    reload = f'<noscript><meta http-equiv="refresh" content="{_RELOAD_SECONDS}"></noscript>' if live else ""
    body = "".join(filter(None, _sections(study, points, analysis, trials, data, difference, live=live)))
    return document(study.name, body, head=reload, data=_in_script(data), script=asset("page.js"))


def _sections(
    study: StudyData, points: StudyData, analysis: Analysis, trials: Sequence[TrialData], data: Mapping[str, Any],
    difference: Sequence[Difference], *, live: bool,
) -> Iterator[str]:  # fmt: skip
    yield _head(study, live=live)
    yield _cards(points, analysis)
    yield _advice(study, analysis)
    yield (
        '<div class="tools" role="search"><strong id="count" aria-live="polite"></strong>'
        '<button type="button" id="reset">Show all</button>'
        '<input id="find" type="search" placeholder="Search the trials" aria-label="Search the trials">'
        '<div id="detail" aria-live="polite"></div></div>'
    )
    if data["params"]:
        how = "Drag along an axis to keep the trials that pass there; a click on it lets go."
        yield _view("All parameters", "parallel", how, scrolls=True)
    if len(study.objectives) > 1:
        yield _view("Pareto front", "front", "No trial is better than one of the front in every objective.")
    yield _view("History", "history", "Hollow: pruned, failed or unfinished. The line is the best so far.")
    yield _importances(study, analysis)
    yield _explanation(study)
    if data["params"]:
        yield _view("One parameter at a time", "slices", "")
    if data["pair"]:
        first, second = (data["columns"][place]["title"] for place in data["pair"])
        said = f"Of all pairs, {first} and {second} are the most to be judged together"
        if data["interacts"]:
            yield _view("Two that interact", "pair", f"{said}.")
        else:
            yield _view("Two beside each other", "pair", f"{said}, but no two are told from chance to interact.")
    if any(data["curves"]):
        yield _view("Learning curves", "curves", pruning_line(study))
    if any(data["times"]):
        yield _view("Timeline", "timeline", "A row is a place in which trials run one after the other.")
    yield _table(points, trials)
    yield _configuration(study, difference)
    yield _failures(study)
    yield _commands(study)


def _head(study: StudyData, *, live: bool) -> str:
    state = "running" if live else "finished" if study.is_finished else "unfinished"
    if study.is_finished and not study.complete:
        state = "failed"
    aims = ", ".join(
        f"{metric} ({'higher' if mode == 'max' else 'lower'} is better)" for metric, mode in study.objectives
    )
    spent = sum(trial.seconds or 0.0 for trial in study.trials)
    note = f"<p>{in_html(study.remarks.note)}</p>" if study.remarks.note else ""
    tags = f'<p class="quiet">{in_html(", ".join(study.remarks.tags))}</p>' if study.remarks.tags else ""
    began = study.spec.began[:16].replace("T", " ")
    about = f"{study.progress()}. Judged by {aims}. {spent:.0f} s in all trials. Begun {began}."
    return (
        f'<header><h1>{in_html(study.name)}</h1><p><span class="state {state}">{state}</span> {in_html(about)}</p>'
        f"{note}{tags}</header>"
    )


def _cards(study: StudyData, analysis: Analysis) -> str:
    if not study.best:
        return "<p>No trial has a value yet.</p>"
    best, luck = study.best[0], analysis.luck
    cards = []
    tested = {name: value for name, value in best.run.metrics.items() if name.startswith("test/")}
    wanted = f"test/{study.metric.partition('/')[2]}"
    for name in sorted(tested, key=lambda name: name != wanted)[:1]:
        ends = best.run.intervals.get(name)
        between = f", {shown_figure(ends[0])} to {shown_figure(ends[1])}" if ends else ""
        cards.append((shown_figure(tested[name]), f"{name}, held out{between}"))
    if len(study.objectives) > 1:
        cards.append((str(len(study.best)), "trials on the Pareto front"))
    else:
        spread = f" ± {best.std:.2g}" if best.std is not None else ""
        seeds = f", the mean of {best.seeds} seeds" if best.seeds > 1 else ""
        figure = f"{shown_figure(study.best_value)}{spread}"
        cards.append((figure, f"best {study.metric}, trial {best.number}{seeds}"))
    if luck.expected is not None and luck.low is not None and luck.high is not None:
        interval = f"{shown_figure(luck.low)} to {shown_figure(luck.high)}"
        cards.append((shown_figure(luck.expected), f"to be expected on new samples ({interval})"))
        cards.append(
            (shown_figure(luck.gain), f"luck: the best of {luck.points} on {counted(luck.samples, 'sample')}")
        )
    shown = "".join(
        f'<div class="card"><b>{in_html(figure)}</b><span>{in_html(what)}</span></div>' for figure, what in cards
    )
    return f'<section class="cards" aria-label="The result">{shown}</section>'


def _advice(study: StudyData, analysis: Analysis) -> str:
    lines = "".join(f"<dt>{in_html(name)}</dt><dd>{in_html(line)}</dd>" for name, line in advice(study, analysis))
    found = next_search(study, analysis, is_allowed=allowed_in(study))
    following = ""
    if found is not None:
        following = f"<h2>What to type next <small>{in_html(found.reason)}</small></h2>{_command(found.command)}"
    return f"<section><dl>{lines}</dl>{following}</section>" if lines or following else ""


def _view(title: str, name: str, caption: str, *, scrolls: bool = False) -> str:
    inside = f'<div id="{name}"></div>'
    inside = f'<div class="scroll">{inside}</div>' if scrolls else inside
    said = f"<figcaption>{in_html(caption)}</figcaption>" if caption else ""
    return f'<section class="js-only"><h2>{in_html(title)}</h2><figure>{inside}{said}</figure></section>'


def _importances(study: StudyData, analysis: Analysis) -> str:
    labels = {parameter.key: parameter.label for parameter in study.parameters}
    parts = []
    for (metric, _), some in zip(study.objectives, analysis.importances, strict=True):
        if not some:
            continue
        widest = max(*(each.share for each in some), *(each.chance for each in some))
        bars = []
        for place, each in enumerate(some):
            top, label = place * _ROW, in_html(labels.get(each.key, each.key))
            width, chance = (_BAR * figure / widest for figure in (each.share, each.chance))
            kind = "matters" if each.matters else "share"
            bars.append(
                f'<rect class="{kind}" x="150" y="{top + 4}" width="{width:.1f}" height="{_ROW - 9}"></rect>'
                f'<path class="chance" d="M{150 + chance:.1f} {top}v{_ROW - 2}"></path>'
                f'<text x="142" y="{top + 17}" text-anchor="end">{label}</text>'
                f'<text x="{158 + max(width, chance):.1f}" y="{top + 17}">{each.share:.0%}</text>'
            )
        said = "; ".join(
            f"{labels.get(each.key, each.key)} {each.share:.0%}, chance {each.chance:.0%}" for each in some
        )
        name = f" for {metric}" if len(study.objectives) > 1 else ""
        parts.append(
            f"<figure><svg class='bars' role='img' width='100%' viewBox='0 0 540 {len(some) * _ROW}' "
            f"aria-label='{in_html(f'Importance{name}: {said}')}'>{''.join(bars)}</svg>"
            f"<figcaption>{in_html(f'Importance{name}')}. The dashed line is what chance alone would not pass in "
            "19 of 20 studies (PED-ANOVA, permuted values): a grey bar says nothing.</figcaption></figure>"
        )
    if not parts:
        return ""
    return f"<section><h2>What mattered</h2>{''.join(parts)}</section>"


def _explanation(study: StudyData) -> str:
    explanation = read_explanation(study.folder)
    if explanation is None:
        return ""
    heads = "".join(f'<th scope="col">{in_html(name)}</th>' for name in COLUMNS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{in_html(text)}</td>' for text in row)}</tr>" for row in explanation.rows()
    )
    table = (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        if rows
        else ""
    )
    lines = "".join(f"<p>{in_html(line)}</p>" for line in explanation.lines(study))
    which = f"of trial {explanation.trial}, by training with and without each change, in {explanation.metric}"
    return f"<section><h2>What bought what <small>{in_html(which)}</small></h2>{table}{lines}</section>"


def pruning_line(study: StudyData) -> str:
    """Return how much pruning saved, by the epochs of the trials that were trained to their end."""
    pruned = [trial.epochs for trial in study.trials if trial.state == "pruned" and trial.epochs is not None]
    whole = sorted(trial.epochs for trial in study.complete if trial.epochs is not None)
    if not pruned or not whole:
        return "Each line is a trial."
    usual = whole[len(whole) // 2]
    saved, total = sum(max(0, usual - epochs) for epochs in pruned), usual * (len(pruned) + len(whole))
    return (
        f"Each line is a trial; a ring is where one was pruned. {counted(len(pruned), 'trial')} stopped after "
        f"{sum(pruned) / len(pruned):.1f} epochs on average, where whole ones took {usual}: that saved about "
        f"{saved:,} of {total:,} epochs ({saved / max(total, 1):.0%})."
    )


def _table(study: StudyData, trials: Sequence[TrialData]) -> str:
    columns = columns_of(study)
    heads = "".join(
        f'<th scope="col"{_number_class(column.number)}>{in_html(column.title)}</th>' for column in columns
    )
    lines = []
    best = {trial.number for trial in study.best}
    for trial in trials[:_WITHOUT_SCRIPT]:
        cells = zip(columns, shown_cells(study, trial, columns), strict=True)
        texts = "".join(f"<td{_number_class(column.number)}>{in_html(text)}</td>" for column, text in cells)
        lines.append(f"<tr{' class=best' if trial.number in best else ''}>{texts}</tr>")
    rest = len(trials) - len(lines)
    more = f"<noscript><p>and {counted(rest, 'trial')} more, in trials.csv</p></noscript>" if rest else ""
    return (
        f'<section><h2>Trials</h2><div class="tall"><table id="trials"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>{more}"
        '<p><button type="button" id="more" hidden></button></p></section>'
    )


def _number_class(is_number: bool) -> str:
    return ' class="n"' if is_number else ""


def _configuration(study: StudyData, difference: Sequence[Difference]) -> str:
    if not study.best or not difference:
        return ""
    rows = "".join(
        f'<tr><td>{in_html(key)}</td><td class="wrap">{in_html(default)}</td>'
        f'<td class="wrap">{in_html(value)}</td></tr>'
        for key, default, value in difference
    )
    which = f"trial {study.best[0].number}" + (", the first of the front" if len(study.best) > 1 else "")
    which += ", where it differs from what the command trains without the search"
    return (
        f"<section><h2>The best configuration <small>{in_html(which)}</small>"
        f'</h2><div class="scroll"><table><thead><tr><th scope="col">key</th><th scope="col">without</th>'
        f'<th scope="col">best</th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _failures(study: StudyData) -> str:
    failed = [trial for trial in study.trials if trial.state == "failed"]
    if not failed:
        return ""
    reasons: dict[str, list[TrialData]] = {}
    for trial in failed:
        reasons.setdefault(trial.error or "nobody wrote why", []).append(trial)
    rows = "".join(
        f'<tr><td class="n">{len(trials)}</td><td class="wrap">{in_html(reason)}</td>'
        f'<td class="wrap">{in_html(", ".join(_where(study, trial) for trial in trials[:_MOST_NAMED]))}'
        f"{' …' if len(trials) > _MOST_NAMED else ''}</td></tr>"
        for reason, trials in list(reasons.items())[:_MOST_REASONS]
    )
    rest = len(reasons) - _MOST_REASONS
    more = f"<p>and {counted(rest, 'other reason')}, in trials.csv</p>" if rest > 0 else ""
    return (
        f'<section><h2>What failed <small>{counted(len(failed), "trial")}</small></h2><div class="scroll"><table>'
        '<thead><tr><th scope="col" class="n">trials</th><th scope="col">why</th><th scope="col">where</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>{more}</section>"
    )


def _where(study: StudyData, trial: TrialData) -> str:
    if trial.folder is None:
        return f"trial {trial.number}"
    return str(trial.folder.relative_to(study.folder) / (trial.run.traceback or ""))


def _commands(study: StudyData) -> str:
    folder = shlex.quote(str(study.folder))
    lines = []
    if not study.is_finished and (again := command_to_go_on(study.folder, study.spec)) is not None:
        lines.append(("Go on with this study", again))
    if study.best:
        if study.program is not None:
            lines.append(("Train the best again", f"{study.program} --config-dir {folder} --config-name best"))
        lines.append(("Measure the best on the held-out part, once it is chosen", f"lightune evaluate {folder}"))
    lines.append(("See it on the terminal", f"lightune show {folder}"))
    if study.spec.storage == "journal":
        lines.append(
            (
                "Look at it in Optuna's own dashboard",
                f"optuna-dashboard {shlex.quote(str(study.folder / 'journal.log'))}",
            )
        )
    shown = "".join(f"<p>{in_html(name)}</p>{_command(command)}" for name, command in lines)
    root = study.folder.parts[0] if study.folder.parts and not study.folder.is_absolute() else ".."
    where = "" if root == ".." else f'<p class="quiet">Typed in the folder that holds {in_html(root)}.</p>'
    return f"<section><h2>How to go on</h2>{where}{shown}</section>"


def _command(command: str) -> str:
    button = '<button type="button" class="copy js-only">copy</button>'
    return f'<div class="command"><code>{in_html(command)}</code>{button}</div>'


def _in_script(data: Any) -> str:
    """Return JSON that ends no script, whatever it holds."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return "".join(letter if ord(letter) < 0xD800 or ord(letter) > 0xDFFF else "\ufffd" for letter in text)
