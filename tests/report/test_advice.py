"""What a study's figures say, in a line each."""

from dataclasses import replace

import pytest
from reported_studies import METRIC, SPACE, by_rate, drawn_points, write_by_rate, write_planted, write_result

from lightune.report.advice import advice, best_line, bound_line, cost_line, mattered_line, more_line
from lightune.report.analysis import Analysis
from lightune.report.findings import Importance, Luck
from lightune.report.study_data import read_study

KNOWN = Analysis(
    40,
    (
        (
            Importance("optimizer.lr", 0.7, 0.2),
            Importance("model.units", 0.2, 0.1),
            Importance("optimizer", 0.1, 0.4),
        ),
    ),
    Luck(0.95, 0.93, 0.9, 0.96, points=40, samples=270),
)


@pytest.fixture
def study(tmp_path):
    """Read a planted study."""
    return read_study(write_by_rate(tmp_path / "s", 40))


def test_the_best_is_told_with_how_much_of_it_is_luck(study):
    said = best_line(study, KNOWN)
    assert said.startswith(f"trial {study.best[0].number}, val/accuracy 0.9")
    assert (
        "expect 0.9300 on new samples (0.9000 to 0.9600): the best of 40 on 270 samples is lucky by 0.0200" in said
    )
    unknown = replace(KNOWN, luck=Luck(0.95, reason="nobody knows"))
    assert best_line(study, unknown).endswith("how much is luck is not known: nobody knows")


def test_others_that_are_as_good_are_counted(tmp_path):
    points = [{"optimizer.lr": f"0.{number}"} for number in range(1, 5)]
    values = dict(zip(("0.1", "0.2", "0.3", "0.4"), (0.5, 0.9, 0.9, 0.9), strict=True))
    space = {"optimizer.lr": {"low": 0.0, "high": 1.0}}
    folder = write_planted(tmp_path / "s", points, lambda point: values[point["optimizer.lr"]], space=space)
    assert best_line(read_study(folder), KNOWN).startswith("trial 1, val/accuracy 0.9000 (as 2 others); expect")


def test_what_mattered_is_told_apart_from_chance(study):
    assert mattered_line(study, KNOWN) == "lr 70%, units 20%; not told from chance: optimizer"
    assert mattered_line(study, replace(KNOWN, importances=((),))) == ""


def test_what_cost_time_without_gain_is_named_with_its_share(tmp_path):
    def value(point):
        return by_rate(point) - (0.5 if point["optimizer"] == "sgd" else 0.0)

    said = cost_line(read_study(write_planted(tmp_path / "s", drawn_points(40, SPACE), value, space=SPACE)))
    assert said.startswith("optimizer=sgd took ")
    assert said.endswith(" of 52 s and is in none of the best 10")


def test_a_bound_is_named_if_its_parameter_mattered(tmp_path):
    folder = write_planted(
        tmp_path / "s", drawn_points(80, SPACE), lambda point: float(point["optimizer.lr"]), space=SPACE
    )
    study = read_study(folder)
    assert "the upper end of 0.0001 to 0.1" in dict(advice(study, KNOWN))["at its bound"]
    others = replace(
        KNOWN, importances=((Importance("optimizer.lr", 0.1, 0.2), Importance("optimizer", 0.9, 0.2)),)
    )
    assert "at its bound" not in dict(advice(study, others))


def test_training_that_was_still_getting_better_is_said(study):
    for place, trial in enumerate(study.ranked()):
        objective = {"metric": METRIC, "mode": "max", "value": trial.reached, "epoch": 4, "std": None}
        write_result(trial.folder, trial.reached, objective=objective)
        said = bound_line(read_study(study.folder), KNOWN) if place in (0, 14) else ""
        # one of forty is what chance would show
        assert ("the best was reached in the last of 5 epochs: train longer" in said) is (place == 14)


def test_too_few_trials_for_importances_end_at_their_bound_where_there_is_a_trend(tmp_path):
    points = [{"optimizer.lr": f"0.0{number}"} for number in range(1, 7)]
    space = {"optimizer.lr": {"low": 0.01, "high": 0.06, "log": False}}
    unknown = replace(KNOWN, importances=((),))
    for name, values in {"a": [1, 2, 3, 4, 5, 6], "b": [3, 1, 4, 2, 5, 6]}.items():
        known = dict(zip((point["optimizer.lr"] for point in points), values, strict=True))
        folder = write_planted(
            tmp_path / name, points, lambda point, known=known: known[point["optimizer.lr"]], space=space
        )
        said = bound_line(read_study(folder), unknown)
        assert ("lr=0.06, the upper end of 0.01 to 0.06" in said) is (name == "a")


def test_a_study_without_values_says_nothing(tmp_path):
    study = read_study(write_by_rate(tmp_path / "s", 3, state=lambda number: "failed"))
    assert advice(study, Analysis(3, ((),), Luck(None))) == []


def test_what_more_trials_bought_is_said_where_it_is_known(study):
    known = replace(KNOWN, luck=replace(KNOWN.luck, half=0.94))
    assert more_line(study, known).endswith(
        "expected to reach 0.9400, all of them reached 0.9500: the second half bought 0.0100"
    )
    assert more_line(study, KNOWN) == ""
