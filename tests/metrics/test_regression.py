import pytest
import torch
from sklearn import metrics as sk

from lightune.metrics import RegressionMetrics
from lightune.metrics.meter import StageMeter


def measure(predictions, target, stage="val"):
    meter = StageMeter(RegressionMetrics(), stage)
    for part, truth in zip(predictions.split([5, 1, 14]), target.split([5, 1, 14]), strict=True):
        meter.add(torch.tensor(0.0), part, truth)
    return {name: value.item() for name, value in meter.read().items()}


@pytest.mark.parametrize("targets", [1, 3])
def test_metrics_are_those_of_the_whole_set(targets):
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(20, targets, generator=generator) * 50 + 100
    predictions = target + torch.randn(20, targets, generator=generator) * 10
    found = measure(predictions, target)
    assert found["val/mae"] == pytest.approx(sk.mean_absolute_error(target, predictions), rel=1e-5)
    assert found["val/r2"] == pytest.approx(sk.r2_score(target, predictions), rel=1e-4)
    squared = sk.mean_squared_error(target, predictions)
    assert found["val/rmse"] == pytest.approx(squared**0.5, rel=1e-5)


def test_training_measures_the_root_mean_squared_error():
    assert set(measure(torch.ones(20, 1), torch.zeros(20, 1), "train")) == {"train/loss", "train/rmse"}


def test_only_r2_is_better_when_higher():
    assert RegressionMetrics.higher_is_better == ("r2",)
    assert {f"val/{name}" for name in RegressionMetrics.names} == set(RegressionMetrics().collection("val").keys())
