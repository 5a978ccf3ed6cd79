import math
import statistics
from dataclasses import replace

import numpy as np
import pytest

from lightune.reporting.fits import (
    FIT_FILE,
    FitResult,
    mean_curves,
    mean_metrics,
    mean_objective,
    read_fit,
    write_fit,
)
from lightune.reporting.result import Entry, Objective


def fit(index=0, value=0.75, *, metrics=None, curves=None, epoch=3):
    return FitResult(
        index=index,
        seed=7,
        repeat=0,
        fold=index,
        status="completed",
        objective=Objective("val/accuracy", "max", value, epoch),
        metrics={"val/accuracy": 0.75} if metrics is None else metrics,
        epochs=5,
        steps=50,
        seconds={"setup": 0.5, "train": 2.0, "validate": 0.25, "test": 0.0},
        samples_per_second=1000.0,
        checkpoint=f"fits/{index}/checkpoints/best.ckpt",
        curves=curves or {"step": [10.0, 20.0], "val/loss": [2.0, 1.0]},
    )


def test_what_is_written_is_read_back(tmp_path):
    written = fit(value=0.1 + 0.2)
    write_fit(written, tmp_path / "fits" / "0")
    assert read_fit(tmp_path / "fits" / "0") == written


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"index": 0}', '{"objective": {"wrong": 1}}'])
def test_a_fit_without_a_whole_file_is_not_finished(tmp_path, text):
    if text is not None:
        (tmp_path / FIT_FILE).write_text(text)
    assert read_fit(tmp_path) is None


def test_an_entry_has_the_figures_and_not_the_curves():
    assert fit(2).entry(5) == Entry(
        5, 7, fit(2).objective, {"val/accuracy": 0.75}, 5, "fits/2/checkpoints/best.ckpt"
    )


def test_the_objective_of_one_fit_is_its_own():
    assert mean_objective([fit()]) == Objective("val/accuracy", "max", 0.75, 3)


def test_the_objective_of_several_is_their_mean_and_the_deviation_of_a_sample():
    values = [0.5, 0.25, 1.0]
    objective = mean_objective([fit(index, value) for index, value in enumerate(values)])
    assert objective.value == pytest.approx(np.mean(values))
    assert objective.std == pytest.approx(np.std(values, ddof=1)) == pytest.approx(statistics.stdev(values))
    assert objective.epoch is None
    assert mean_objective([fit(value=0.5), fit(value=0.5)]).std == 0


def test_the_mean_of_a_fit_that_was_never_measured_is_unknown():
    assert mean_objective([fit(), fit(1, None)]) == Objective("val/accuracy", "max", None, None)


def test_metrics_are_averaged_where_every_fit_has_them():
    means = mean_metrics([fit(metrics={"val/loss": 1.0, "val/f1": 0.5}), fit(1, metrics={"val/loss": 2.0})])
    assert means == {"val/loss": 1.5}


def test_curves_are_averaged_as_far_as_every_fit_went():
    short = fit(curves={"step": [10.0, 20.0], "val/loss": [2.0, 1.0]})
    long = fit(1, curves={"step": [11.0, 22.0, 33.0], "val/loss": [4.0, 2.0, 9.0]})
    for fits in ([short, long], [long, short]):
        curves = mean_curves(fits)
        assert curves == {"step": fits[0].curves["step"][:2], "val/loss": [3.0, 1.5]}


def test_nan_in_a_metric_does_not_make_the_file_unreadable(tmp_path):
    write_fit(replace(fit(), metrics={"val/auroc": math.nan}), tmp_path)
    assert read_fit(tmp_path).metrics == {"val/auroc": None}
