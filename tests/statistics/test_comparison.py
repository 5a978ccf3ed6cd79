"""Tests of a difference: what they say of known cases, and how often they are wrong where there is none."""

import numpy as np
import pytest

from lightune.statistics.comparison import holm, mcnemar, nadeau_bengio, paired_bootstrap, paired_t, welch


def test_mcnemar_counts_the_samples_that_one_alone_gets_right():
    first = np.array([True] * 90 + [False] * 10)
    second = np.array([True] * 88 + [False] * 2 + [True] * 10)
    verdict = mcnemar(first, second)
    assert verdict.difference == pytest.approx(0.08)
    assert verdict.p == pytest.approx(2 * sum(66 if k == 2 else 12 if k == 1 else 1 for k in range(3)) / 2**12)
    assert verdict.low < 0.08 < verdict.high


def test_equal_networks_are_not_told_apart():
    same = np.array([True, False] * 20)
    assert mcnemar(same, same).p == 1
    assert paired_bootstrap(same.astype(float), same.astype(float)).p == 1
    assert paired_t(np.ones(3), np.ones(3)).p == 1
    assert welch(np.ones(3), np.ones(3)).p == 1


def test_the_smallest_visible_difference_is_found_in_four_of_five():
    generator = np.random.default_rng(0)
    found, visible = 0, 0.0
    for _ in range(300):
        first = generator.random(400) < 0.85
        flips = generator.random(400)
        second = np.where(first, flips > 0.03, flips < 0.53)  # 5.4 points better, with 10.5 % disagreement
        verdict = mcnemar(first, second)
        found += verdict.p < 0.05
        visible += verdict.visible / 300
    assert visible == pytest.approx(0.045, abs=0.004)
    assert found / 300 > 0.8


def test_a_bootstrap_finds_what_differs_in_every_sample():
    generator = np.random.default_rng(0)
    first = generator.normal(size=200)
    verdict = paired_bootstrap(first, first + generator.normal(0.3, 0.5, size=200), resamples=500)
    assert verdict.p < 0.01
    assert verdict.low < verdict.difference < verdict.high
    assert verdict.low > 0


def test_a_constant_difference_is_one():
    assert paired_bootstrap(np.zeros(20), np.ones(20)).p < 1e-5


def test_folds_count_less_than_as_many_independent_figures():
    generator = np.random.default_rng(0)
    first = generator.normal(0.9, 0.01, 10)
    second = first + generator.normal(0.01, 0.01, 10)
    assert nadeau_bengio(first, second, test_share=1 / 9).p > paired_t(first, second).p


def test_nadeau_bengio_is_the_published_formula():
    first, second = np.array([0.8, 0.82, 0.79, 0.81, 0.8]), np.array([0.83, 0.82, 0.84, 0.83, 0.82])
    apart = second - first
    t = apart.mean() / np.sqrt(apart.var(ddof=1) * (1 / 5 + 1 / 4))
    from scipy.stats import t as student

    assert nadeau_bengio(first, second, test_share=1 / 4).p == pytest.approx(2 * student.sf(t, 4))


def test_welch_is_what_scipy_says():
    from scipy.stats import ttest_ind

    first, second = np.array([0.8, 0.82, 0.79]), np.array([0.85, 0.84, 0.9, 0.86])
    assert welch(first, second).p == pytest.approx(ttest_ind(first, second, equal_var=False).pvalue)


def test_holm_multiplies_the_least_by_all_and_keeps_their_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["mcnemar", "welch", "paired_t", "nadeau_bengio"])
def test_no_difference_is_found_where_there_is_none(kind):
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(400):
        if kind == "mcnemar":
            alarms += mcnemar(generator.random(200) < 0.8, generator.random(200) < 0.8).p < 0.05
            continue
        first, second = generator.normal(size=(2, 5))
        tests = {"welch": welch, "paired_t": paired_t}
        verdict = tests[kind](first, second) if kind in tests else nadeau_bengio(first, second, test_share=0.25)
        alarms += verdict.p < 0.05
    assert alarms / 400 < 0.075
