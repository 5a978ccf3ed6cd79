import numpy as np
import pytest
from scipy.stats import binom, norm

from lightune.statistics.conformal import fit_intervals, fit_sets, upper_quantile

FITTED, NEW = 4000, 4000


def classified(rows, seed):
    """Probabilities of four classes, not calibrated at all, and targets."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(0, 4, rows)
    logits = draw.normal(0, 1, (rows, 4))
    logits[np.arange(rows), targets] += 1.5
    powers = np.exp(3 * logits)
    return powers / powers.sum(axis=1, keepdims=True), targets


def within_bounds(hits, level):
    """Whether a count of hits is what chance makes of the level, both samples drawn at random."""
    deviation = np.sqrt(level * (1 - level) * (1 / FITTED + 1 / len(hits)))
    low, high = level + norm.ppf([0.0005, 0.9995]) * deviation
    return low <= hits.mean() <= high


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_sets_hold_the_true_class_as_often_as_asked(level):
    limit = fit_sets(*classified(FITTED, 0), level)
    probabilities, targets = classified(NEW, 1)
    sets = 1 - probabilities <= limit
    assert within_bounds(sets[np.arange(NEW), targets], level)
    assert not within_bounds(
        probabilities.argmax(axis=1) == targets, level
    )  # which the likeliest class alone does not


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_intervals_hold_the_true_value_as_often_as_asked(level):
    draw = np.random.default_rng(0)
    errors = draw.standard_t(3, (FITTED + NEW, 2)) * [1.0, 50.0]  # which are not normal
    predicted = draw.normal(0, 9, errors.shape)
    half = fit_intervals(predicted[:FITTED], (predicted + errors)[:FITTED], level)
    hits = np.abs(errors[FITTED:]) <= half
    assert within_bounds(hits[:, 0], level)
    assert within_bounds(hits[:, 1], level)


def test_a_small_sample_covers_on_average_at_least_what_is_asked():
    draw = np.random.default_rng(0)
    scores = draw.random((3000, 20))
    hits = sum(bool(row[-1] <= upper_quantile(row[:-1], 0.9)) for row in scores)
    assert binom.cdf(hits, 3000, 0.9) > 0.001


def test_too_few_samples_for_a_level_are_refused():
    assert upper_quantile(np.arange(9.0), 0.9) == 8
    rule = r"0\.9 takes at least 9 samples of the validation part, and there are 8, which are enough for 0\.888$"
    with pytest.raises(ValueError, match=rule):
        upper_quantile(np.arange(8.0), 0.9)
    upper_quantile(np.arange(8.0), 0.888)
