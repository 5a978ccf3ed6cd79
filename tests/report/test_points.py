"""Seeds of a point are one row, by their mean."""

import pytest
from page_reader import Page
from reported_studies import write_planted

from lightune.report.analysis import analyse
from lightune.report.importances import importances_of
from lightune.report.next_search import leading
from lightune.report.page import page
from lightune.report.points import grouped
from lightune.report.study_data import read_study
from lightune.report.tables import columns_of, shown_cells
from lightune.report.times import Span

# the greatest of all, 0.99, is one lucky seed of a poor point; the point with two seeds lacks one
VALUES = {("0.1", "0"): 0.6, ("0.1", "1"): 0.99, ("0.1", "2"): 0.3,
          ("0.2", "0"): 0.8, ("0.2", "1"): 0.9, ("0.2", "2"): 0.85,
          ("0.3", "0"): 0.98, ("0.3", "1"): 0.97, ("0.3", "2"): None}  # fmt: skip
SPACE = {"lr": {"values": ["0.1", "0.2", "0.3"]}, "seed": {"values": ["0", "1", "2"]}}


@pytest.fixture
def study(tmp_path):
    points = [{"lr": rate, "seed": seed} for rate, seed in VALUES]
    folder = write_planted(
        tmp_path / "s", points, lambda point: VALUES[point["lr"], point["seed"]], space=SPACE, sampler=None,
        state=lambda number: "failed" if number == 8 else "completed",
    )  # fmt: skip
    return read_study(folder, curves=True)


def test_a_point_has_the_mean_of_its_seeds_and_one_that_lacks_a_seed_stands_last(study):
    points = grouped(study)
    ranked = points.ranked()
    assert [point.number for point in ranked] == [3, 0, 6]
    assert (ranked[0].values, ranked[0].seeds, ranked[0].lacks) == (pytest.approx((0.85,)), 3, False)
    assert ranked[0].std == pytest.approx(0.05)
    assert (ranked[2].state, ranked[2].values, ranked[2].lacks, ranked[2].seeds) == ("failed", None, True, 2)
    assert ranked[2].error == "ValueError: too large"
    assert (ranked[0].seconds, ranked[0].epochs, len(ranked[0].curve)) == (pytest.approx(3.9), 15, 5)
    assert points.best[0].number == ranked[0].number == study.best[0].number == 3


def test_the_table_has_a_row_for_each_point_and_no_seed(study):
    points = grouped(study)
    columns = columns_of(points)
    titles = [column.title for column in columns]
    assert "seed" not in titles
    row = dict(zip(titles, shown_cells(points, points.ranked()[0], columns), strict=True))
    assert (row["val/accuracy"], row["seeds"], row["lr"]) == ("0.8500 ± 0.05", "3", "0.2")


def test_the_page_has_the_same_winner_and_the_time_of_every_trial(study):
    spans = {number: [Span(0, float(number), number + 1.0)] for number in range(9)}
    text = page(study, analyse(study), spans=spans)
    shown = Page(text)
    assert "0.8500 ± 0.05" in shown.text
    assert "best val/accuracy, trial 3, the mean of 3 seeds" in shown.text
    assert "0.99" not in shown.text
    assert "9 trials: 8 completed, 1 failed" in shown.text
    assert '"times":[[0,0,0.0,1.0],[0,0,1.0,2.0],[0,0,2.0,3.0],[1,0,3.0,4.0]' in text


def test_a_study_without_seeds_is_as_it_was(tmp_path):
    folder = write_planted(tmp_path / "s", [{"lr": "0.1"}, {"lr": "0.2"}], lambda point: float(point["lr"]),
                           space={"lr": {"values": ["0.1", "0.2"]}})  # fmt: skip
    study = read_study(folder)
    assert grouped(study) is study


def test_points_of_a_sampler_may_have_any_number_of_seeds(tmp_path):
    points = [{"lr": "0.1", "seed": "0"}, {"lr": "0.1", "seed": "1"}, {"lr": "0.2", "seed": "0"}]
    folder = write_planted(tmp_path / "s", points, lambda point: float(point["lr"]), space=SPACE)
    ranked = grouped(read_study(folder)).ranked()
    assert [(point.number, point.lacks, point.seeds) for point in ranked] == [(2, False, 1), (0, False, 2)]


def test_seeds_are_no_further_evidence_for_what_mattered(tmp_path):
    rates = [str(rate / 10) for rate in range(1, 7)]
    points = [{"lr": rate, "seed": str(seed)} for rate in rates for seed in range(4)]
    space = {"lr": {"values": rates}, "seed": {"values": list("0123")}}
    study = read_study(write_planted(tmp_path / "s", points, lambda point: float(point["lr"]), space=space))
    assert importances_of(study) == []  # six points, and not 24
    assert len(leading(study)) == 5
    assert {trial.point.get("seed") for trial in leading(study)} == {None}
