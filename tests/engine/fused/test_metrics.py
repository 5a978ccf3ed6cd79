"""What is measured of all members at once is what torchmetrics measures of each."""

import pytest
import torch
import torchmetrics.classification as tm

from lightune.engine.fused.metrics import StackedMeter
from lightune.metrics import ClassificationMetrics, RegressionMetrics, classification
from lightune.metrics.meter import StageMeter

MEMBERS, SAMPLES = 5, 83


def compare(metrics, predictions, target):
    """Measure in two batches with `StageMeter`, one member at a time, and all at once."""
    losses = torch.rand(2, MEMBERS)
    together = StackedMeter(metrics, "val", members=MEMBERS)
    apart = [StageMeter(metrics, "val") for _ in range(MEMBERS)]
    for part, loss in zip((slice(0, 50), slice(50, None)), losses, strict=True):
        together.add(loss, predictions[:, part], target[:, part])
        for index, meter in enumerate(apart):
            meter.add(loss[index], predictions[index, part], target[index, part])
    measured = together.read()
    for index, meter in enumerate(apart):
        expected = {name: value.item() for name, value in meter.read().items()}
        assert {name: values[index].item() for name, values in measured.items()} == pytest.approx(
            expected, rel=1e-5
        )


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes(classes, average):
    torch.manual_seed(classes)
    predictions = torch.randn(MEMBERS, SAMPLES, classes).softmax(dim=2)
    compare(
        ClassificationMetrics(classes, average=average), predictions, torch.randint(classes, (MEMBERS, SAMPLES))
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_ties_count_half(classes):
    torch.manual_seed(0)
    predictions = (torch.rand(MEMBERS, SAMPLES, classes) * 4).round() / 4
    compare(ClassificationMetrics(classes), predictions, torch.randint(classes, (MEMBERS, SAMPLES)))


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_a_class_that_is_nowhere(average):
    torch.manual_seed(0)
    predictions = torch.randn(MEMBERS, SAMPLES, 4).softmax(dim=2)
    predictions[..., 3] = 0
    compare(ClassificationMetrics(4, average=average), predictions, torch.randint(3, (MEMBERS, SAMPLES)))
    compare(ClassificationMetrics(4, average=average), predictions, torch.ones(MEMBERS, SAMPLES).long())


@pytest.mark.parametrize("targets", [1, 3])
def test_values(targets):
    torch.manual_seed(0)
    target = torch.randn(MEMBERS, SAMPLES, targets) * 30 + 100
    compare(RegressionMetrics(), target + torch.randn_like(target) * 10, target)


def test_a_reading_begins_anew():
    meter = StackedMeter(ClassificationMetrics(3), "val", members=2)
    right = torch.eye(3).expand(2, 3, 3)
    meter.add(torch.ones(2), right, torch.tensor([[0, 0, 0], [1, 1, 1]]))
    meter.read()
    meter.add(torch.zeros(2), right, torch.tensor([[0, 1, 2], [0, 1, 1]]))
    measured = meter.read()
    assert measured["val/loss"].tolist() == [0, 0]
    assert measured["val/accuracy"].tolist() == pytest.approx([1, 2 / 3])


def test_what_has_no_form_for_many_members_is_measured_of_each(monkeypatch):
    monkeypatch.setattr(ClassificationMetrics, "names", (*ClassificationMetrics.names, "specificity"))
    monkeypatch.setitem(classification._MULTICLASS, "specificity", tm.MulticlassSpecificity)
    torch.manual_seed(0)
    predictions = torch.randn(MEMBERS, SAMPLES, 3).softmax(dim=2)
    compare(ClassificationMetrics(3), predictions, torch.randint(3, (MEMBERS, SAMPLES)))
