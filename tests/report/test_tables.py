"""The table of a study's trials: for the terminal, for a page, for a paper."""

import csv
import io

import pytest
from reported_studies import SPACE, by_rate, drawn_points, write_by_rate, write_planted, write_result

from lightune.report.study_data import read_study
from lightune.report.tables import (
    columns_of,
    differing,
    names_of,
    shown_cells,
    shown_figure,
    table_text,
    trial_cells,
)


@pytest.fixture
def study(tmp_path):
    """Read a planted study."""
    return read_study(write_by_rate(tmp_path / "s", 6))


def test_columns_are_those_in_which_trials_differ(tmp_path):
    points = [{**point, "optimizer": "adam"} for point in drawn_points(6, SPACE)]
    study = read_study(write_planted(tmp_path / "s", points, by_rate, space=SPACE))
    assert [parameter.label for parameter in differing(study)] == ["lr", "dropout", "units"]
    assert [column.title for column in columns_of(study)] == [
        "trial", "val/accuracy", "epochs", "seconds", "state", "lr", "dropout", "units",
    ]  # fmt: skip


def test_numbers_are_numbers(study):
    cells = trial_cells(study, study.trials[0])
    assert isinstance(cells["lr"], float)
    assert isinstance(cells["units"], int)
    assert (cells["trial"], cells["state"], cells["epochs"]) == (0, "completed", 5)
    assert names_of(study)["optimizer.lr"] == "lr"
    assert names_of(study)["value"] == "val/accuracy"


def test_a_parameter_that_is_called_as_a_column_keeps_its_whole_key(tmp_path):
    space = {"model.seconds": {"values": ["1", "2"]}}
    points = [{"model.seconds": "1"}, {"model.seconds": "2"}]
    study = read_study(write_planted(tmp_path / "s", points, lambda point: 0.5, space=space))
    cells = trial_cells(study, study.trials[1])
    assert (cells["seconds"], cells["model.seconds"]) == (1.3, 2)


def test_a_value_has_its_spread(study):
    best = study.best[0]
    write_result(best.folder, best.reached, objective={"metric": "val/accuracy", "value": 0.9, "std": 0.0123})
    again = read_study(study.folder)
    assert shown_cells(again, again.best[0], columns_of(again))[1].endswith(" ± 0.012")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.98123, "0.9812"),
        (0.0, "0.0000"),
        (123456.0, "1.2346e+05"),
        (1e-5, "1e-05"),
        (None, ""),
        (-2.5, "-2.5000"),
    ],
)
def test_figures_are_short(value, shown):
    assert shown_figure(value) == shown


def test_csv_reads_back(study):
    rows = list(csv.DictReader(io.StringIO(table_text(study, study.trials, "csv"))))
    assert [float(row["val/accuracy"]) for row in rows] == [trial.reached for trial in study.trials]


def test_markdown_and_latex_are_tables(study):
    lines = table_text(study, study.trials, "markdown").splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 8
    latex = table_text(study, study.trials, "latex")
    assert latex.startswith("\\begin{tabular}{rrrrlrrrl}")
    assert latex.count("\\textbf") == 9  # the best trial
    assert latex.count("\\\\") == 7


def test_signs_that_mean_something_are_written_as_they_are_read(tmp_path):
    space = {"data": {"values": ["a_b|c & 50% <x>", "=1+1"]}}
    points = [{"data": text} for text in space["data"]["values"]]
    study = read_study(write_planted(tmp_path / "s", points, lambda point: 0.5, space=space))
    assert "a\\_b$|$c \\& 50\\% $<$x$>$" in table_text(study, study.trials, "latex")
    assert "a_b\\|c & 50% &lt;x>" in table_text(study, study.trials, "markdown")
    assert "'=1+1" in table_text(study, study.trials, "csv")
