"""Several studies or runs beside each other, as one page without a script.

This module must not import Optuna, torch or Lightning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightune.errors import ConfigError
from lightune.report.advice import mattered_line
from lightune.report.analysis import Analysis
from lightune.report.comparison import Subject, compare, configuration_table
from lightune.report.document import document
from lightune.report.run_data import read_curve
from lightune.report.study_data import StudyData
from lightune.report.tables import shown_figure
from lightune.report.verdict_text import letter_of, verdict_lines
from lightune.reporting.notebook import in_html
from lightune.wording import counted

__all__ = ["Member", "against_page"]

_WIDTH, _HEIGHT = 720.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 28.0, 10.0, 34.0
_KINDS = 6  # of lines, which `page.css` draws in as many ways
_MOST_POINTS = 300  # of a line

Line = tuple[int, list[tuple[float, float]]]
"""The place of a member, and its points from the left to the right."""


@dataclass(frozen=True)
class Member:
    """A run, or a study and its best trial.

    Args:
        subject: the run, or the best trial.
        study: read with its curves; None of a run.
        analysis: of the study.
    """

    subject: Subject
    study: StudyData | None = None
    analysis: Analysis | None = None

    @property
    def metric(self) -> str:
        """What it is judged by."""
        return self.study.metric if self.study is not None else self.subject.run.metric or "value"


def against_page(members: Sequence[Member]) -> str:
    """Return the page; what cannot be compared by a test is shown all the same, with the reason.

    Args:
        members: two or more, the first of which the others are compared with.
    """
    return document(" against ".join(str(member.subject.path) for member in members), "".join(_sections(members)))


def _sections(members: Sequence[Member]) -> Iterator[str]:
    yield "<header><h1>Beside each other</h1></header>"
    yield _overview(members)
    yield _verdicts(members)
    for metric in dict.fromkeys(member.metric for member in members):
        same = [(place, member) for place, member in enumerate(members) if member.metric == metric]
        yield _chart(
            f"Best {metric} so far",
            "over the trials of each study, as they ended",
            "trials",
            [(place, _history(member.study)) for place, member in same if member.study is not None],
        )
        yield _chart(
            f"Learning curves of {metric}",
            "of each run, and of the best trial of each study",
            "epochs",
            [(place, _curve(member, metric)) for place, member in same],
        )
    yield _configuration(members)


def _overview(members: Sequence[Member]) -> str:
    heads = ["", "what", "value", "expected on new samples", "trials", "time", "what mattered"]
    head = "".join(f'<th scope="col">{in_html(each)}</th>' for each in heads)
    rows = "".join(
        f'<tr><th scope="row"><svg class="key" width="26" height="12" aria-hidden="true"><path class="line '
        f'k{place % _KINDS}" d="M0 6h26"></path></svg> {letter_of(place)}</th>'
        f"{''.join(f'<td class=wrap>{in_html(text)}</td>' for text in _facts(member))}</tr>"
        for place, member in enumerate(members)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<section><div class="scroll">{table}</div></section>'


def _facts(member: Member) -> tuple[str, ...]:
    study, run = member.study, member.subject.run
    if study is None or member.analysis is None:
        spread = f" ± {run.std:.2g}" if run.std is not None else ""
        spent = f"{run.seconds:.0f} s" if run.seconds is not None else ""
        value = f"{run.metric} {shown_figure(run.value)}{spread} ({_aim(run.mode)})"
        return str(member.subject.path), value, "", "1 run", spent, ""
    luck = member.analysis.luck
    expected = f"not known: {luck.reason}"
    if luck.expected is not None and luck.low is not None and luck.high is not None:
        expected = f"{shown_figure(luck.expected)} ({shown_figure(luck.low)} to {shown_figure(luck.high)})"
    aims = ", ".join(_aim(mode) for _, mode in study.objectives)
    value = f"{study.best_figures()[0]}, trial {study.best[0].number} ({aims})"
    spent = f"{sum(trial.seconds or 0.0 for trial in study.trials):.0f} s"
    mattered = mattered_line(study, member.analysis)
    return str(member.subject.path), value, expected, study.progress(), spent, mattered


def _aim(mode: str) -> str:
    return "higher is better" if mode == "max" else "lower is better"


def _verdicts(members: Sequence[Member]) -> str:
    try:
        results = compare([member.subject for member in members])
        blocks = ["\n".join(verdict_lines(result)) for result in results]
        said = "".join(f"<pre>{in_html(block)}</pre>" for block in blocks)
    except ConfigError as refusal:
        reasons = "".join(f"<p>{in_html(str(problem))}</p>" for problem in refusal.problems)
        said = f"<p>No test: they cannot be compared.</p>{reasons}"
    return f"<section><h2>Is the difference real? <small>each with A</small></h2>{said}</section>"


def _history(study: StudyData) -> list[tuple[float, float]]:
    best: float | None = None
    points = []
    for place, trial in enumerate(study.trials, 1):
        if trial.is_complete and trial.reached is not None:
            better = max if study.mode == "max" else min
            best = trial.reached if best is None else better(best, trial.reached)
        if best is not None:
            points.append((float(place), best))
    return points


def _curve(member: Member, metric: str) -> list[tuple[float, float]]:
    values = read_curve(member.subject.folder, metric)
    return [(float(epoch), value) for epoch, value in enumerate(values, 1) if value is not None]


def _chart(title: str, caption: str, unit: str, lines: Sequence[Line]) -> str:
    """Return lines as a picture that is described for those who cannot see it; nothing without a line."""
    lines = [(place, _thinned(points)) for place, points in lines if len(points) > 1]
    if not lines:
        return ""
    across = [x for _, points in lines for x, _ in points]
    up = [y for _, points in lines for _, y in points]
    low, high = min(up), max(up)
    high = high if high > low else low + 1.0

    def x_of(value: float) -> float:
        first, last = min(across), max(across)
        return _LEFT + (value - first) / max(last - first, 1e-9) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for level in (low, (low + high) / 2, high):
        y = y_of(level)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"></path>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{shown_figure(level)}</text>')
    for number, anchor in ((min(across), "start"), (max(across), "end")):
        parts.append(f'<text x="{x_of(number):.1f}" y="{_HEIGHT - 14}" text-anchor="{anchor}">{number:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{_HEIGHT - 2}" text-anchor="middle">{unit}</text>')
    for place, points in lines:
        path = "L".join(f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in points)
        last_x, last_y = points[-1]
        parts.append(f'<path class="line k{place % _KINDS}" d="M{path}"></path>')
        parts.append(f'<text x="{x_of(last_x) + 5:.1f}" y="{y_of(last_y) + 4:.1f}">{letter_of(place)}</text>')
    said = "; ".join(
        f"{letter_of(place)} from {shown_figure(points[0][1])} to {shown_figure(points[-1][1])}, "
        f"{counted(len(points), 'point')}"
        for place, points in lines
    )
    return (
        f'<section><h2>{in_html(title)}</h2><figure><svg class="lines" role="img" viewBox="0 0 {_WIDTH:.0f} '
        f'{_HEIGHT:.0f}" width="100%" aria-label="{in_html(f"{title}: {said}")}">{"".join(parts)}</svg>'
        f"<figcaption>{in_html(caption)}</figcaption></figure></section>"
    )


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= _MOST_POINTS:
        return points
    last = len(points) - 1
    return [points[round(place * last / (_MOST_POINTS - 1))] for place in range(_MOST_POINTS)]


def _configuration(members: Sequence[Member]) -> str:
    differing = configuration_table([member.subject for member in members])
    if not differing:
        return "<section><h2>Configurations</h2><p>They are the same.</p></section>"
    heads = "".join(f'<th scope="col">{letter_of(place)}</th>' for place in range(len(members)))
    rows = "".join(
        f'<tr><th scope="row">{in_html(key)}</th>'
        f"{''.join(f'<td class=wrap>{in_html(value)}</td>' for value in values)}</tr>"
        for key, values in differing
    )
    table = f'<table><thead><tr><th scope="col">key</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return (
        "<section><h2>Where the configurations differ <small>of a study, its best trial's</small></h2>"
        f'<div class="scroll">{table}</div></section>'
    )
