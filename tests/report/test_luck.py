"""How much of a study's best is luck."""

import numpy as np
import pytest
from reported_studies import write_by_rate, write_planted, write_right

from lightune.report.luck import luck_of
from lightune.report.study_data import read_study

SPACE = {"optimizer.lr": {"low": 0.0, "high": 1.0, "log": False}}


@pytest.fixture
def equal(tmp_path):
    """Write a study of equally good networks."""

    def write(count=24, samples=200, right=0.8, space=SPACE, points=None, **about):
        hits = np.random.default_rng(1).random((count, samples)) < right
        points = points or [{"optimizer.lr": str(number / count)} for number in range(count)]
        order = {tuple(point.values()): number for number, point in enumerate(points)}
        folder = write_planted(
            tmp_path / "s",
            points,
            lambda point: float(hits[order[tuple(point.values())]].mean()),
            space=space,
            **about,
        )
        for number, row in enumerate(hits):
            write_right(folder / "trials" / str(number), row)
        return folder

    return write


def test_the_best_of_equal_networks_is_expected_to_be_one_of_them(equal):
    luck = luck_of(read_study(equal()))
    assert luck.found > 0.84
    assert luck.expected == pytest.approx(0.8, abs=0.015)
    assert luck.low < luck.expected < luck.high
    assert (luck.points, luck.samples) == (24, 200)


def test_seeds_of_a_point_are_judged_together(equal):
    points = [{"lr": str(number // 4), "seed": str(number % 4)} for number in range(24)]
    space = {"lr": {"values": list("012345")}, "seed": {"values": list("0123")}}
    luck = luck_of(read_study(equal(points=points, space=space, sampler=None)))
    assert luck.points == 6
    assert luck.gain < 0.03


def test_other_rows_cannot_be_compared(equal):
    folder = equal()
    write_right(folder / "trials" / "3", np.ones(200), rows=range(1, 201))
    study = read_study(folder)
    value = study.trials[3].reached
    write_right(folder / "trials" / "3", np.arange(200) < round(value * 200), rows=range(1, 201))
    assert luck_of(study).reason == "its trials were judged on different rows"


def test_predictions_that_say_something_else_are_not_believed(equal):
    folder = equal()
    for number in range(24):
        write_right(folder / "trials" / str(number), np.zeros(200))
    luck = luck_of(read_study(folder))
    assert (luck.expected, luck.reason) == (None, "the predictions that its trials left do not give val/accuracy")


def test_what_is_missing_is_said(equal):
    folder = equal()
    for number in range(24):
        (folder / "trials" / str(number) / "predictions_val.npz").unlink()
    assert luck_of(read_study(folder)).reason == "0 of 24 trials have left their validation predictions"


def test_a_metric_that_is_no_mean_is_not_corrected(equal):
    study = read_study(equal(objectives=[("val/f1", "max")]))
    assert luck_of(study).reason == "val/f1 is no mean over samples, as accuracies, losses and errors are"


def test_what_half_as_many_points_reach_is_said_of_random_search_alone(tmp_path):
    study = read_study(write_by_rate(tmp_path / "s", 40))
    values = sorted(trial.reached for trial in study.complete)
    assert values[30] < luck_of(study).half < values[-1]
    tpe = write_by_rate(tmp_path / "t", 40, sampler={"_target_": "optuna.samplers.TPESampler"})
    assert luck_of(read_study(tpe)).half is None


def test_where_trials_differ_in_seeds_alone_there_is_one_point(equal):
    points = [{"seed": str(number)} for number in range(3)]
    luck = luck_of(read_study(equal(3, space={"seed": {"values": list("012")}}, points=points)))
    assert luck.expected is None
    assert luck.reason == "it takes two points, and its trials differ in their seeds alone"
