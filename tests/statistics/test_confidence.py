import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from sklearn.metrics import mean_absolute_error

from lightune.metrics import ClassificationMetrics, RegressionMetrics
from lightune.statistics.confidence import confidence_interval

SAMPLES = 80


def probabilities(seed, classes=3):
    return torch.rand(SAMPLES, classes, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)


TARGETS = torch.arange(SAMPLES) % 3


def interval(predicted, *, metrics=None, name="accuracy", targets=TARGETS, resamples=200, level=0.95, seed=0):
    metrics = metrics or ClassificationMetrics(3)
    return confidence_interval(metrics, name, predicted, targets, resamples=resamples, level=level, seed=seed)


def of_scipy(figure, *, resamples=200, level=0.95, seed=0):
    """Bootstrap a figure of row numbers by hand."""
    found = bootstrap(
        (np.arange(SAMPLES),),
        figure,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return found.low, found.high


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_an_accuracy_is_that_of_scipy_on_hits(level):
    predicted = probabilities(1)
    hits = (predicted.argmax(dim=1) == TARGETS).double().numpy()
    assert interval([predicted], level=level) == pytest.approx(
        of_scipy(lambda rows: hits[rows].mean(), level=level)
    )


def test_the_figure_of_several_models_is_their_mean_on_the_same_resample():
    models = [probabilities(1), probabilities(2)]
    hits = np.mean([(p.argmax(dim=1) == TARGETS).double().numpy() for p in models], axis=0)
    assert interval(models) == pytest.approx(of_scipy(lambda rows: hits[rows].mean()))


def test_the_interval_of_a_regression_is_in_the_units_of_the_target():
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(SAMPLES, 1, generator=generator) * 100
    predicted = targets + torch.randn(SAMPLES, 1, generator=generator) * 10
    found = interval([predicted], metrics=RegressionMetrics(), name="mae", targets=targets)
    true, guess = targets.numpy(), predicted.numpy()
    assert found == pytest.approx(of_scipy(lambda rows: mean_absolute_error(true[rows], guess[rows])), rel=1e-5)
    assert 5 < found[0] < found[1] < 15


def test_a_wider_level_gives_a_wider_interval_around_the_figure():
    predicted = probabilities(1)
    figure = float((predicted.argmax(dim=1) == TARGETS).double().mean())
    narrow, wide = interval([predicted], level=0.5), interval([predicted], level=0.99)
    assert wide[0] < narrow[0] <= figure <= narrow[1] < wide[1]


def test_the_seed_alone_decides_the_draws():
    one, other = (interval([probabilities(1)], seed=3) for _ in range(2))
    assert one == other
    assert interval([probabilities(1)], seed=4) != one


def test_a_perfect_model_has_an_interval_of_one_point():
    assert interval([torch.eye(3)[TARGETS]]) == (1.0, 1.0)


def test_a_resample_without_a_class_does_not_break_it():
    rare = torch.zeros(SAMPLES, dtype=torch.int64)
    rare[0] = 1
    low, high = interval(
        [probabilities(1, 2)], metrics=ClassificationMetrics(2), name="auroc", targets=rare, resamples=50
    )
    assert 0 <= low <= high <= 1
