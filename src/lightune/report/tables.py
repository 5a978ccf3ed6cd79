"""The table of a study's trials: the columns in which they differ, for the terminal, for a page and for a paper.

This module must not import Optuna, torch or Lightning.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightune.report.study_data import Parameter, StudyData, TrialData, as_number
from lightune.runtime.plain_text import cell, visible
from lightune.study.outputs.reader import shown_value

__all__ = ["FORMATS", "Column", "columns_of", "differing", "names_of", "shown_figure", "table_text", "trial_cells"]

FORMATS = ("latex", "markdown", "csv")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": r"$<$", ">": r"$>$", "|": r"$|$",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of the table of trials.

    Args:
        name: of the cell, as `trial_cells` has it.
        title: what stands above it.
        number: whether it holds numbers.
    """

    name: str
    title: str
    number: bool = True


def differing(study: StudyData) -> list[Parameter]:
    """Return the parameters that trials differ in."""
    return [
        parameter
        for parameter in study.parameters
        if len(study.trials) < 2 or len({trial.point.get(parameter.key) for trial in study.trials}) > 1
    ]


def columns_of(study: StudyData) -> list[Column]:
    """Return the columns of the table: the trial, what it reached, what it took, how it ended, its parameters."""
    columns = [Column("trial", "trial"), *(Column(metric, metric) for metric, _ in study.objectives)]
    if any(trial.seeds > 1 for trial in study.trials):
        columns.append(Column("seeds", "seeds"))
    if any(trial.epochs is not None for trial in study.trials):
        columns.append(Column("epochs", "epochs"))
    columns += [Column("seconds", "seconds"), Column("state", "state", number=False)]
    names = {column.name for column in columns}
    columns += [
        Column(_name(parameter, names), parameter.label, parameter.is_number) for parameter in differing(study)
    ]
    return columns


def _name(parameter: Parameter, taken: set[str] | Mapping[str, Any]) -> str:
    return parameter.key if parameter.label in taken else parameter.label


def trial_cells(study: StudyData, trial: TrialData) -> dict[str, Any]:
    """Return what is known of a trial, as numbers where it is numbers: for conditions, sorting and JSON."""
    cells: dict[str, Any] = {"trial": trial.number}
    for place, (metric, _) in enumerate(study.objectives):
        cells[metric] = trial.values[place] if trial.values is not None else (None if place else trial.reached)
    cells |= {"std": trial.std, "epochs": trial.epochs, "best_epoch": trial.run.best_epoch}
    cells |= {"seconds": trial.seconds, "state": trial.state, "error": trial.error}
    if any(other.seeds > 1 for other in study.trials):
        cells["seeds"] = trial.seeds
    fixed = dict.fromkeys(cells)
    for parameter in study.parameters:
        text = trial.point.get(parameter.key)
        number = as_number(text)
        whole = number is not None and text is not None and text.lstrip("-").isdigit()
        cells[_name(parameter, fixed)] = text if number is None else (int(number) if whole else number)
    return cells


def names_of(study: StudyData) -> dict[str, str]:
    """Return other names of cells, as one may type them: the whole key of a parameter, `value`, `number`."""
    names = {"value": study.metric, "number": "trial"}
    taken = trial_cells(study, study.trials[0]) if study.trials else {}
    for parameter in study.parameters:
        name = _name(parameter, {"trial": 0, **dict.fromkeys(metric for metric, _ in study.objectives)})
        names |= {parameter.key: name, parameter.key.lstrip("+"): name}
    return {key: name for key, name in names.items() if key not in taken}


def shown_figure(value: float | None) -> str:
    """Return a figure as one reads it: four decimals, or five digits of what is large or small."""
    if value is None:
        return ""
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.5g}"


def shown_cells(study: StudyData, trial: TrialData, columns: Sequence[Column]) -> list[str]:
    """Return the texts of a row."""
    cells = trial_cells(study, trial)
    texts = []
    for column in columns:
        value = cells.get(column.name)
        if value is None:
            texts.append("")
        elif column.name == "seconds":
            texts.append(f"{value:.1f}")
        elif column.name == "state":
            texts.append(str(value).replace("_", " "))
        elif column.name in (metric for metric, _ in study.objectives):
            spread = f" ± {trial.std:.2g}" if column.name == study.metric and trial.std is not None else ""
            texts.append(
                _whole(value) if float(value).is_integer() and abs(value) > 1 else shown_figure(value) + spread
            )
        else:
            texts.append(shown_value(f"{value:.4g}" if isinstance(value, float) else str(value)))
    return texts


def _whole(value: float) -> str:
    return f"{value:.0f}"


def table_text(study: StudyData, trials: Sequence[TrialData], form: str) -> str:
    """Return the table for a paper or a program.

    Args:
        study: of the trials.
        trials: become the rows.
        form: one of `FORMATS`.
    """
    columns = columns_of(study)
    titles = [column.title for column in columns]
    if form == "csv":
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        names = [column.name for column in columns]
        writer.writerow([*map(cell, names[:2]), "std", *map(cell, names[2:])])
        for trial in trials:
            cells = trial_cells(study, trial)
            row = [
                "" if cells.get(name) is None else cell(str(cells[name]))
                for name in [names[0], names[1], "std", *names[2:]]
            ]
            writer.writerow(row)
        return buffer.getvalue()
    rows = [[visible(text) for text in shown_cells(study, trial, columns)] for trial in trials]
    if form == "markdown":
        ruler = f"| {' | '.join('---:' if column.number else '---' for column in columns)} |"
        head, *body = (f"| {' | '.join(map(_in_markdown, line))} |" for line in [titles, *rows])
        return "\n".join([head, ruler, *body]) + "\n"
    best = {trial.number for trial in study.best}
    lines = [
        f"  {' & '.join(_bold(each) if trial.number in best else each for each in map(_in_latex, row))} \\\\"
        for trial, row in zip(trials, rows, strict=True)
    ]
    head = " & ".join(map(_in_latex, titles))
    form_of = "".join("r" if column.number else "l" for column in columns)
    begin, end = f"\\begin{{tabular}}{{{form_of}}}", "\\end{tabular}"
    return "\n".join([begin, "  \\toprule", f"  {head} \\\\", "  \\midrule", *lines, "  \\bottomrule", end]) + "\n"


def _in_markdown(text: str) -> str:
    for sign, instead in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("\n", " ")):
        text = text.replace(sign, instead)
    return visible(text)


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in visible(text).replace("\n", " "))


def _bold(text: str) -> str:
    return f"\\textbf{{{text}}}" if text else text
