"""A study or a run on the terminal: right at 60 columns, piped, and without colours.

This module must not import Optuna, torch or Lightning.
"""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightune.report.advice import advice
from lightune.report.allowed_values import allowed_in
from lightune.report.analysis import Analysis
from lightune.report.next_search import next_search
from lightune.report.remarks import Remarks
from lightune.report.run_data import RunData, read_curve
from lightune.report.study_data import StudyData, TrialData
from lightune.report.tables import columns_of, shown_cells, shown_figure
from lightune.reporting.summary import print_pairs
from lightune.runtime.plain_text import visible
from lightune.study.outputs.reader import shown_value
from lightune.wording import counted

__all__ = ["print_advice", "print_run", "print_study", "print_trials"]

_MOST_ERRORS = 5
_SPARKS = "▁▂▃▄▅▆▇█"
_BAR = 20  # characters
_WIDE = 10_000  # columns


def print_study(
    study: StudyData,
    analysis: Analysis,
    trials: Sequence[TrialData],
    console: Console,
    *,
    left_out: int = 0,
    listed: StudyData | None = None,
) -> None:
    """Print what a person wants to know of a study.

    Args:
        study: read from its files.
        analysis: of it.
        trials: to list, in this order.
        console: where to.
        left_out: how many trials are not listed.
        listed: what `trials` are of, as the study with its seeds grouped; the study by default.
    """
    if not console.is_terminal:
        console.width = _WIDE  # what is piped stays in one piece
    _print_head(study, console)
    print_advice(study, analysis, console)
    _print_importances(study, analysis, console)
    console.print()
    print_trials(listed or study, trials, console, analysis=analysis)
    if left_out:
        say(console, f"and {counted(left_out, 'trial')} more: --top {len(trials) + left_out} shows them")
    _print_failures(study, console)


def say(console: Console, line: str) -> None:
    """Print a line that stays in one piece, however narrow the terminal."""
    console.print(Text(visible(line)), soft_wrap=True)


def _print_head(study: StudyData, console: Console) -> None:
    aims = ", ".join(
        f"{metric} ({'higher' if mode == 'max' else 'lower'} is better)" for metric, mode in study.objectives
    )
    spent = sum(trial.seconds or 0.0 for trial in study.trials)
    pairs = [("study", str(study.folder)), *_remarks(study.remarks), ("trials", study.progress())]
    pairs += [("searched", ", ".join(parameter.key.lstrip("+") for parameter in study.parameters) or "nothing")]
    pairs += [("judged by", aims), ("time", f"{spent:.0f} s in all trials")]
    print_pairs([(name, visible(value)) for name, value in pairs], console)
    console.print()


def _remarks(remarks: Remarks) -> list[tuple[str, str]]:
    pairs = [("note", remarks.note)] if remarks.note else []
    return [*pairs, *([("tags", ", ".join(remarks.tags))] if remarks.tags else [])]


def print_advice(study: StudyData, analysis: Analysis, console: Console) -> None:
    """Print the five lines: the best, what mattered, bounds, what cost time, and the next command.

    Args:
        study: read from its files.
        analysis: of it.
        console: where to.
    """
    if lines := advice(study, analysis):
        print_pairs([(name, visible(line)) for name, line in lines], console)
    if (found := next_search(study, analysis, is_allowed=allowed_in(study))) is not None:
        say(console, f"next: {found.command}")
        console.print(Text(visible(f"      ({found.reason})"), style="dim"), soft_wrap=not console.is_terminal)


def _print_importances(study: StudyData, analysis: Analysis, console: Console) -> None:
    labels = {parameter.key: parameter.label for parameter in study.parameters}
    for (metric, _), some in zip(study.objectives, analysis.importances, strict=True):
        if not some:
            continue
        console.print()
        title = f"importance for {metric}" if len(study.objectives) > 1 else "importance"
        table = Table(title, "", "chance", "", box=None, pad_edge=False, header_style="dim")
        for each in some:
            bar = "█" * round(_BAR * each.share)
            style = "bold" if each.matters else "dim"
            share, chance = f"{each.share:4.0%}", f"{each.chance:4.0%}"
            table.add_row(
                *(
                    Text(text, style=style)
                    for text in (visible(labels.get(each.key, each.key)), share, chance, bar)
                )
            )
        console.print(table, soft_wrap=not console.is_terminal)


def print_trials(
    study: StudyData, trials: Sequence[TrialData], console: Console, *, analysis: Analysis | None = None
) -> None:
    """Print the table of trials; on a narrow terminal without the columns that say least.

    Args:
        study: of the trials.
        trials: become the rows.
        console: where to.
        analysis: says which parameters mattered.
    """
    columns = columns_of(study)
    rows = [[visible(text) for text in shown_cells(study, trial, columns)] for trial in trials]
    widths = [
        max(len(visible(column.title)), *(len(row[place]) for row in rows), 1) if rows else len(column.title)
        for place, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if console.is_terminal:
        shown = _that_fit(study, analysis, widths, console.width)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place in shown:
        column = columns[place]
        table.add_column(Text(visible(column.title)), justify="right" if column.number else "left", no_wrap=True)
    best = {trial.number for trial in study.best}
    for trial, row in zip(trials, rows, strict=True):
        table.add_row(*(Text(row[place]) for place in shown), style="bold" if trial.number in best else "")
    console.print(table, soft_wrap=not console.is_terminal, crop=False)
    if hidden := [columns[place].title for place in range(len(columns)) if place not in shown]:
        console.print(Text(f"not shown on {console.width} columns: {', '.join(hidden)}", style="dim"))


def _that_fit(study: StudyData, analysis: Analysis | None, widths: Sequence[int], width: int) -> list[int]:
    """Return the columns that a terminal has room for: first what is always wanted, then what mattered most."""
    columns = columns_of(study)
    labels = {parameter.key: parameter.label for parameter in study.parameters}
    ranked = [
        labels.get(each.key, each.key) for some in (analysis.importances if analysis else ()) for each in some
    ]
    fixed = ["trial", *(metric for metric, _ in study.objectives)]

    def worth(place: int) -> tuple[int, int]:
        name = columns[place].name
        if name in fixed:
            return 0, place
        if name in ranked:
            return 1, ranked.index(name)
        return {"state": (2, 0), "epochs": (4, 0), "seconds": (4, 1)}.get(name, (3, place))

    chosen: list[int] = []
    left = width
    for place in sorted(range(len(columns)), key=worth):
        if widths[place] + 1 <= left or not chosen:
            chosen.append(place)
            left -= widths[place] + 2
    return sorted(chosen)


def _print_failures(study: StudyData, console: Console) -> None:
    failed = [trial for trial in study.trials if trial.state == "failed"]
    if not failed:
        return
    console.print()
    reasons = Counter(trial.error or "for a reason that nobody wrote" for trial in failed)
    for reason, count in reasons.most_common(_MOST_ERRORS):
        first = next(trial for trial in failed if (trial.error or "for a reason that nobody wrote") == reason)
        where = f"; see {first.folder}" if first.folder is not None else ""
        say(console, f"{counted(count, 'trial')} failed: {reason} (trial {first.number}{where})")
    if len(reasons) > _MOST_ERRORS:
        say(console, f"and for {counted(len(reasons) - _MOST_ERRORS, 'other reason')}: --where 'state = failed'")


def print_run(run: RunData, remarks: Remarks, console: Console, *, again: str | None = None) -> None:
    """Print what a person wants to know of a run.

    Args:
        run: read from its files.
        remarks: what a person wrote about it.
        console: where to.
        again: the command that goes on with it; None where nothing is left to do.
    """
    pairs = [("run", str(run.folder)), *_remarks(remarks), ("status", run.status.replace("_", " "))]
    if run.value is not None:
        spread = (
            f" ± {run.std:.2g} over {counted(len(run.fits) or len(run.repeats), 'fit')}"
            if run.std is not None
            else ""
        )
        at = f", at epoch {run.best_epoch + 1} of {run.epochs}" if run.best_epoch is not None else ""
        pairs.append((run.metric or "value", f"{shown_figure(run.value)}{spread}{at}"))
    for name, value in run.metrics.items():
        if name != run.metric:
            ends = run.intervals.get(name)
            interval = f"  ({shown_figure(ends[0])} to {shown_figure(ends[1])})" if ends else ""
            pairs.append((name, f"{shown_figure(value)}{interval}"))
    curve = [value for value in read_curve(run.folder, run.metric) if value is not None]
    if len(curve) > 1:
        pairs.append(("by epoch", f"{_sparkline(curve)}  {shown_figure(curve[0])} to {shown_figure(curve[-1])}"))
    if run.epochs is not None:
        pairs.append(("epochs", str(run.epochs)))
    if run.seconds is not None:
        pairs.append(("time", f"{run.seconds:.1f} s"))
    if run.seed is not None:
        pairs.append(("seed", shown_value(str(run.seed))))
    if run.error:
        pairs.append(("error", run.error))
        if run.traceback:
            pairs.append(("traceback", str(run.folder / run.traceback)))
    print_pairs([(visible(name), visible(value)) for name, value in pairs], console)
    if again is not None:
        say(console, f"go on with: {again}")


def _sparkline(values: Sequence[float], width: int = 24) -> str:
    """Return a curve in one line of block characters."""
    step = max(1, len(values) / width)
    drawn = [values[min(int(place * step), len(values) - 1)] for place in range(min(width, len(values)))]
    low, high = min(drawn), max(drawn)
    scale = (len(_SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_SPARKS[round((value - low) * scale)] for value in drawn)
