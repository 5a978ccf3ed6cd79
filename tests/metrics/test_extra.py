import copy

import pytest
import torch
from torchmetrics.classification import BinaryF1Score, MulticlassFBetaScore
from torchmetrics.regression import MeanAbsolutePercentageError

from lightune.engine.fused.metrics import StackedMeter
from lightune.metrics import ClassificationMetrics, RegressionMetrics
from lightune.metrics.meter import StageMeter, alone, is_higher_better


def f2(classes=3):
    return lambda: MulticlassFBetaScore(2.0, classes)


def drawn(classes, samples=60):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(samples, classes, generator=generator)
    return outputs.softmax(dim=1), torch.randint(classes, (samples,), generator=generator)


def read(metrics, predictions, target, stage="val"):
    meter = StageMeter(metrics, stage)
    for part, truth in zip(predictions.split(25), target.split(25), strict=True):
        meter.add(torch.tensor(0.0), part, truth)
    return {name: value.item() for name, value in meter.read().items()}


def test_an_extra_metric_stands_beside_the_others_which_stay_as_they_were():
    predictions, target = drawn(3)
    measured = read(ClassificationMetrics(3, extra={"f2": f2()}), predictions, target)
    wanted = MulticlassFBetaScore(2.0, 3)(predictions, target).item()
    assert measured.pop("val/f2") == pytest.approx(wanted)
    assert measured == pytest.approx(read(ClassificationMetrics(3), predictions, target))


def test_of_two_classes_each_metric_takes_its_own_form_of_the_predictions():
    predictions, target = drawn(2)
    extra = {"many": f2(2), "one": BinaryF1Score}
    measured = read(ClassificationMetrics(2, extra=extra), predictions, target)
    assert measured["val/many"] == pytest.approx(MulticlassFBetaScore(2.0, 2)(predictions, target).item())
    assert measured["val/one"] == pytest.approx(BinaryF1Score()(predictions[:, 1], target).item())


def test_metrics_that_are_equal_at_first_by_chance_are_told_apart_later():
    extra = {"high": BinaryF1Score, "low": lambda: BinaryF1Score(threshold=0.2)}
    meter = StageMeter(ClassificationMetrics(2, extra=extra), "val", buffered_values=0)
    for probability, wanted in ((0.9, 1), (0.3, 1), (0.1, 0)):  # above both thresholds, between, below
        meter.add(torch.tensor(0.0), torch.tensor([[1 - probability, probability]]), torch.tensor([wanted]))
    measured = meter.read()
    assert (measured["val/high"].item(), measured["val/low"].item()) == (pytest.approx(2 / 3), 1.0)


def test_training_measures_those_that_are_asked_for():
    predictions, target = drawn(3)
    metrics = ClassificationMetrics(3, train=["f2"], extra={"f2": f2(), "other": f2()})
    assert set(read(metrics, predictions, target, "train")) == {"train/loss", "train/f2"}
    assert set(read(ClassificationMetrics(3, extra={"f2": f2()}), predictions, target, "train")) == {
        "train/loss",
        "train/accuracy",
    }


def test_values_are_measured_as_those_of_the_set_are():
    target = torch.rand(60, 1) + 1
    metrics = RegressionMetrics(extra={"mape": MeanAbsolutePercentageError})
    measured = read(metrics, target * 1.5, target)
    assert measured["val/mape"] == pytest.approx(0.5)
    assert set(measured) == {"val/loss", "val/mae", "val/rmse", "val/r2", "val/mape"}


def test_half_an_epoch_goes_on_from_what_it_had_measured():
    predictions, target = drawn(3)
    metrics = ClassificationMetrics(3, train=["f2"], extra={"f2": f2()})
    first = StageMeter(metrics, "train", buffered_values=0)
    first.add(torch.tensor(0.0), predictions[:20], target[:20])
    second = StageMeter(metrics, "train")
    second.resume(copy.deepcopy(first.pending()))
    second.add(torch.tensor(0.0), predictions[20:], target[20:])
    whole = read(metrics, predictions, target, "train")
    assert second.read()["train/f2"].item() == pytest.approx(whole["train/f2"])


@pytest.mark.parametrize("stage", ["train", "val"])
def test_members_are_measured_as_each_alone(stage):
    predictions, target = zip(*(drawn(3) for _ in range(2)), strict=True)
    members = torch.stack([predictions[0], predictions[1].flip(0)]), torch.stack(target)
    metrics = ClassificationMetrics(3, train=["accuracy", "f2"], extra={"f2": f2()})
    meter = StackedMeter(metrics, stage, members=2)
    meter.add(torch.zeros(2), *members)
    together = meter.read()
    for index in range(2):
        alone_ = read(metrics, members[0][index], members[1][index], stage)
        assert {name: values[index].item() for name, values in together.items()} == pytest.approx(alone_)


def test_one_metric_can_be_had_alone():
    predictions, target = drawn(2)
    metrics = ClassificationMetrics(2, extra={"f2": f2(2)})
    for name in ("f2", "f1"):
        metric, inputs = alone(metrics, "test", name)
        metric.update(*inputs(predictions, target))
        assert metric.compute().item() == pytest.approx(read(metrics, predictions, target)[f"val/{name}"])


def test_its_class_says_which_is_better():
    metrics = RegressionMetrics(extra={"mape": MeanAbsolutePercentageError})
    assert [is_higher_better(metrics, name) for name in ("r2", "rmse", "mape")] == [True, False, False]
    assert is_higher_better(ClassificationMetrics(3, extra={"f2": f2()}), "f2")
