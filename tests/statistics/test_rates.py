"""Rates at every threshold, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from lightune.statistics.rates import area_under, average_precision, precision_recall, receiver_rates


@pytest.mark.parametrize("digits", [1, 6])  # with and without equal scores
def test_areas_are_those_of_scikit_learn(digits):
    generator = np.random.default_rng(0)
    positive = generator.random(300) < 0.3
    scores = np.round(generator.random(300) + 0.4 * positive, digits)
    assert area_under(*receiver_rates(scores, positive)) == pytest.approx(roc_auc_score(positive, scores))
    found = average_precision(*precision_recall(scores, positive))
    assert found == pytest.approx(average_precision_score(positive, scores))


def test_rates_go_from_nothing_to_all():
    x, y = receiver_rates(np.array([0.9, 0.1, 0.9]), np.array([True, False, False]))
    assert (x.tolist(), y.tolist()) == ([0.0, 0.5, 1.0], [0.0, 1.0, 1.0])
    recall, precision = precision_recall(np.array([0.9, 0.1]), np.array([True, False]))
    assert (recall.tolist(), precision.tolist()) == ([1.0, 1.0], [1.0, 0.5])
