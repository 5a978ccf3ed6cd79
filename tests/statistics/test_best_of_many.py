"""What the best of many is worth."""

import itertools

import numpy as np
import pytest

from lightune.statistics.best_of_many import corrected_best, expected_best


def equal_networks(seed, networks=32, samples=200, right=0.8):
    """Return scores of networks that are all equally good."""
    return (np.random.default_rng(seed).random((networks, samples)) < right).astype(float)


def test_the_best_of_equal_networks_is_worth_what_each_is_worth():
    corrected = [corrected_best(equal_networks(seed), mode="max", resamples=100).value for seed in range(40)]
    found = [equal_networks(seed).mean(axis=1).max() for seed in range(40)]
    assert np.mean(found) > 0.84
    assert abs(np.mean(corrected) - 0.8) < 0.004


def test_losses_are_corrected_upwards():
    corrected = corrected_best(1 - equal_networks(0), mode="min")
    assert (1 - equal_networks(0)).mean(axis=1).min() < corrected.value
    assert corrected.low < corrected.value < corrected.high


def test_a_network_that_is_truly_better_keeps_its_figure():
    scores = equal_networks(0, networks=8, samples=1000)
    scores[3] = np.random.default_rng(1).random(1000) < 0.97
    assert corrected_best(scores, mode="max").value == pytest.approx(scores[3].mean(), abs=0.003)


def test_the_root_of_a_mean_is_taken_where_the_figure_is_one():
    errors = np.random.default_rng(0).normal(size=(4, 300)) ** 2 * 4
    corrected = corrected_best(errors, mode="min", figure=np.sqrt)
    assert corrected.value == pytest.approx(2, abs=0.2)


def test_the_same_draws_give_the_same_figure_however_they_are_divided_into_blocks(monkeypatch):
    whole = corrected_best(equal_networks(0), mode="max")
    monkeypatch.setattr("lightune.statistics.best_of_many._BLOCK", 1)
    assert corrected_best(equal_networks(0), mode="max") == pytest.approx(whole)


def test_the_expected_best_is_the_mean_over_all_choices_of_so_many_points():
    values = np.array([0.3, 0.9, 0.5, 0.7])
    expected = [np.mean([max(some) for some in itertools.combinations(values, n)]) for n in range(1, 5)]
    assert expected_best(values, mode="max") == pytest.approx(expected)
    smallest = [np.mean([min(some) for some in itertools.combinations(values, n)]) for n in range(1, 5)]
    assert expected_best(values, mode="min") == pytest.approx(smallest)


def test_where_all_are_right_the_interval_is_wilsons():
    found = corrected_best(np.ones((3, 52)), mode="max")
    assert found.value == 1.0
    assert (found.low, found.high) == (pytest.approx(0.9312, abs=1e-4), 1.0)  # n / (n + z²)


def test_scores_that_are_no_shares_have_no_such_interval():
    assert corrected_best(np.full((3, 52), 0.5), mode="min")[1:] == (0.5, 0.5)
