"""What a study's page is given to show."""

from reported_studies import SPACE, by_rate, drawn_points, write_by_rate, write_planted

from lightune.report.analysis import Analysis, analyse
from lightune.report.findings import Luck
from lightune.report.page_data import page_data, thinned
from lightune.report.study_data import read_study
from lightune.report.times import Span


def data_of(folder, spans=None, *, live=None):
    study = read_study(folder, curves=True)
    nothing = Analysis(0, tuple(() for _ in study.objectives), Luck(None))
    return page_data(study, nothing, study.ranked(), spans or {}, live=live)


def test_rows_and_columns_belong_together(tmp_path):
    data = data_of(write_by_rate(tmp_path / "s", 5), {0: [Span(0, 0.0, 1.26)]}, live=15)
    assert [column["name"] for column in data["columns"]][:2] == ["trial", "val/accuracy"]
    assert all(len(row) == len(data["columns"]) for row in data["rows"])
    rate, dropout, units, optimizer = (data["columns"][place] for place in data["params"])
    assert rate == {"name": "lr", "title": "lr", "kind": "log", "low": 0.0001, "high": 0.1}
    assert dropout["kind"] == "num"
    assert units["listed"] == [32, 64, 128]
    assert (optimizer["kind"], optimizer["values"]) == ("text", ["adam", "sgd"])
    assert data["times"] == [[0, 0, 0.0, 1.3]]
    assert data["live"] == 15


def test_places_of_the_best_and_of_failures(tmp_path):
    folder = write_by_rate(tmp_path / "s", 6, state=lambda number: "failed" if number == 2 else "completed")
    data = data_of(folder)
    assert data["errors"] == {2: "ValueError: too large"}
    values = [row[data["value"]] for row in data["rows"]]
    assert values[2] is None
    assert data["best"] == [max((i for i in range(6) if i != 2), key=values.__getitem__)]


def test_curves_are_thinned_to_a_bound_and_keep_their_ends():
    many = thinned([[0.5] * 49 + [0.9]] * 2000)
    assert sum(map(len, many)) <= 12_000
    assert (many[0][0], many[0][-1]) == ([1, 0.5], [50, 0.9])
    assert thinned([[0.1, None, 0.123456]]) == [[[1, 0.1], [3, 0.1235]]]
    assert thinned([[]]) == [None]


def test_the_two_that_interact_are_named(tmp_path):
    def value(point):
        return by_rate(point) + (0.1 if (point["optimizer"] == "sgd") == (point["model.units"] == "32") else 0.0)

    folder = write_planted(tmp_path / "s", drawn_points(120, SPACE), value, space=SPACE)
    study = read_study(folder)
    data = page_data(study, analyse(study), study.ranked(), {}, live=None)
    assert {data["columns"][place]["name"] for place in data["pair"]} == {"units", "optimizer"}
