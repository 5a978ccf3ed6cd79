import numpy as np
import pytest
from scipy.stats import bootstrap

from lightune.statistics.confidence import confidence_interval

SAMPLES = 80
HITS = np.random.default_rng(1).integers(0, 2, SAMPLES).astype(float)


def share(rows):
    return float(HITS[rows].mean())


def interval(measure=share, *, resamples=200, level=0.95, seed=0):
    return confidence_interval(measure, SAMPLES, resamples=resamples, level=level, seed=seed)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_a_share_is_that_of_scipy(level):
    expected = bootstrap(
        (np.arange(SAMPLES),),
        lambda rows: HITS[rows].mean(),
        n_resamples=200,
        confidence_level=level,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert interval(level=level) == (expected.low, expected.high)


def test_as_many_samples_are_drawn_as_there_are_and_with_replacement():
    draws = []

    def measure(rows):
        draws.append(rows)
        return 0.0

    interval(measure, resamples=20)
    resampled = [rows for rows in draws if not np.array_equal(rows, np.arange(SAMPLES))]
    assert len(resampled) == 20
    assert all(len(rows) == SAMPLES and min(rows) >= 0 and max(rows) < SAMPLES for rows in resampled)
    assert all(len(set(rows)) < SAMPLES for rows in resampled)


def test_a_wider_level_gives_a_wider_interval_around_the_figure():
    narrow, wide = interval(level=0.5), interval(level=0.99)
    assert wide[0] < narrow[0] <= HITS.mean() <= narrow[1] < wide[1]


def test_the_seed_alone_decides_the_draws():
    assert interval(seed=3) == interval(seed=3)
    assert interval(seed=4) != interval(seed=3)


def test_a_figure_that_never_varies_has_an_interval_of_one_point():
    assert interval(lambda rows: 1.0) == (1.0, 1.0)
