"""Which parameters mattered in studies whose answer is known."""

import random

import pytest
from reported_studies import SPACE, by_rate, drawn_points, write_by_rate, write_planted

from lightune.report.importances import importances_of
from lightune.report.study_data import read_study


def test_what_matters_is_above_chance_and_nothing_else(tmp_path):
    found = importances_of(read_study(write_by_rate(tmp_path / "s", 80)))
    assert [each.key for each in found if each.matters] == ["optimizer.lr"]
    assert sum(each.share for each in found) == pytest.approx(1)


def test_of_a_study_without_any_effect_nothing_is_above_chance(tmp_path):
    noise = random.Random(0)
    folder = write_planted(tmp_path / "s", drawn_points(60, SPACE), lambda point: noise.random(), space=SPACE)
    assert not any(each.matters for each in importances_of(read_study(folder)))


def test_pruned_trials_count_by_what_they_reached(tmp_path):
    study = read_study(
        write_by_rate(tmp_path / "s", 40, state=lambda number: ("pruned", "completed")[number % 4 == 0])
    )
    assert len(study.complete) == 10
    assert importances_of(study)[0].key == "optimizer.lr"


def test_ten_trials_are_needed(tmp_path):
    assert importances_of(read_study(write_by_rate(tmp_path / "s", 9))) == []


def test_a_key_that_not_every_trial_has_is_judged_where_it_is(tmp_path):
    space = {
        **SPACE,
        "optimizer.momentum": {"low": 0.0, "high": 0.99, "log": False, "when": {"optimizer": ["sgd"]}},
    }
    points = drawn_points(60, space)
    for point in points:
        if point["optimizer"] == "adam":
            del point["optimizer.momentum"]
    folder = write_planted(tmp_path / "s", points, by_rate, space=space)
    assert "optimizer.momentum" in {each.key for each in importances_of(read_study(folder))}


def test_each_of_several_objectives_has_its_own(tmp_path):
    folder = write_planted(
        tmp_path / "s", drawn_points(60, SPACE), by_rate, space=SPACE,
        others=[lambda point: float(point["model.units"])], objectives=[("val/accuracy", "max"), ("size", "min")],
    )  # fmt: skip
    study = read_study(folder)
    assert importances_of(study, objective=0)[0].key == "optimizer.lr"
    assert importances_of(study, objective=1)[0].key == "model.units"
