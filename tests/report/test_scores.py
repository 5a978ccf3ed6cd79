"""Scores of validation samples, whose mean is what a run is judged by."""

import numpy as np
import pytest
from reported_studies import write_right

from lightune.report.scores import figure_of, kinds_of, sample_scores


def test_accuracy_is_the_mean_of_what_is_right(tmp_path):
    write_right(tmp_path, [True, True, False, True])
    found = sample_scores(tmp_path, "accuracy")
    assert found.scores.tolist() == [1, 1, 0, 1]
    assert sample_scores(tmp_path, "cross-entropy").scores == pytest.approx(
        [-np.log(0.7), -np.log(0.7), -np.log(0.1), -np.log(0.7)], rel=1e-5
    )


def test_fits_follow_each_other(tmp_path):
    write_right(tmp_path / "fits" / "0", [True, False], rows=[4, 5])
    write_right(tmp_path / "fits" / "1", [True], rows=[2])
    found = sample_scores(tmp_path, "accuracy")
    assert found.rows.tolist() == [4, 5, 2]
    assert found.scores.tolist() == [1, 0, 1]


def test_errors_of_values(tmp_path):
    np.savez(
        tmp_path / "predictions_val.npz",
        rows=np.arange(2),
        predicted=np.array([[1.0], [5.0]]),
        targets=np.zeros((2, 1)),
    )
    assert sample_scores(tmp_path, "mae").scores.tolist() == [1, 5]
    assert figure_of("rmse")(sample_scores(tmp_path, "rmse").scores.mean()) == pytest.approx(np.sqrt(13))
    assert sample_scores(tmp_path, "accuracy") is None


def test_a_run_without_predictions_has_no_scores(tmp_path):
    assert sample_scores(tmp_path, "accuracy") is None
    np.savez(
        tmp_path / "predictions_val.npz", rows=np.arange(2), predicted=np.ones((2, 2)), targets=np.array([0, 9])
    )
    assert sample_scores(tmp_path, "cross-entropy") is None  # it names a class that is not there


def test_f1_is_no_mean_over_samples():
    assert kinds_of("val/f1") == kinds_of(None) == ()
    assert kinds_of("val/accuracy") == ("accuracy",)
