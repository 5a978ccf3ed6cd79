import pytest
import torch
from sklearn import metrics as sk

from lightune.metrics import ClassificationMetrics
from lightune.metrics.meter import StageMeter

BATCHES = [7, 1, 30, 12]


def draw(classes):
    """Return probabilities (N, C) and classes (N,): some are hard to tell, and no two are equally common."""
    samples = sum(BATCHES)
    generator = torch.Generator().manual_seed(3)
    target = torch.multinomial(torch.arange(1.0, classes + 1), samples, replacement=True, generator=generator)
    outputs = torch.randn(samples, classes, generator=generator)
    outputs[range(samples), target] += 1.0
    return outputs.softmax(dim=1), target


def measure(metrics, probabilities, target, stage="val"):
    meter = StageMeter(metrics, stage)
    for part, truth in zip(probabilities.split(BATCHES), target.split(BATCHES), strict=True):
        meter.add(torch.tensor(0.0), part, truth)
    return {name: value.item() for name, value in meter.read().items()}


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_metrics_of_many_classes_are_those_of_the_whole_set(average):
    probabilities, target = draw(4)
    decided = probabilities.argmax(dim=1)
    area = sk.roc_auc_score(
        target, probabilities, multi_class="ovr", average="weighted" if average == "weighted" else "macro"
    )
    assert measure(ClassificationMetrics(4, average=average), probabilities, target) == pytest.approx(
        {
            "val/loss": 0.0,
            "val/accuracy": sk.accuracy_score(target, decided),
            "val/precision": sk.precision_score(target, decided, average=average),
            "val/recall": sk.recall_score(target, decided, average=average),
            "val/f1": sk.f1_score(target, decided, average=average),
            "val/auroc": area,
        },
        abs=1e-6,
    )


def test_metrics_of_two_classes_are_those_of_class_one():
    probabilities, target = draw(2)
    decided = probabilities.argmax(dim=1)
    assert measure(ClassificationMetrics(2), probabilities, target) == pytest.approx(
        {
            "val/loss": 0.0,
            "val/accuracy": sk.accuracy_score(target, decided),
            "val/precision": sk.precision_score(target, decided, pos_label=1),
            "val/recall": sk.recall_score(target, decided, pos_label=1),
            "val/f1": sk.f1_score(target, decided, pos_label=1),
            "val/auroc": sk.roc_auc_score(target, probabilities[:, 1]),
        },
        abs=1e-6,
    )


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_a_class_without_samples_counts_for_nothing_in_the_area(average, recwarn):
    probabilities, target = draw(4)
    target[target == 3] = 2
    there = sk.roc_auc_score(torch.nn.functional.one_hot(target, 3).numpy(), probabilities[:, :3], average=average)
    measured = measure(ClassificationMetrics(4, average=average), probabilities, target)
    assert measured["val/auroc"] == pytest.approx(there, abs=1e-6)
    assert not [each for each in recwarn if "samples in targets" in str(each.message)]


def test_no_area_is_above_one():
    target = (torch.arange(13) >= 10).long()  # whose area torchmetrics rounds to 1.0000001
    scores = target * 0.5 + torch.linspace(0.1, 0.3, 13)
    meter = StageMeter(ClassificationMetrics(2), "val")
    meter.add(torch.tensor(0.0), torch.stack([1 - scores, scores], dim=1), target)
    assert meter.read()["val/auroc"].item() == 1


def test_training_measures_accuracy_unless_it_is_told_otherwise():
    probabilities, target = draw(3)
    assert set(measure(ClassificationMetrics(3), probabilities, target, "train")) == {
        "train/loss",
        "train/accuracy",
    }
    chosen = ClassificationMetrics(3, train=["f1", "auroc"])
    assert set(measure(chosen, probabilities, target, "train")) == {"train/loss", "train/f1", "train/auroc"}


def test_training_may_measure_nothing_but_the_loss():
    probabilities, target = draw(3)
    assert measure(ClassificationMetrics(3, train=[]), probabilities, target, "train") == {"train/loss": 0.0}


def test_the_names_are_those_that_are_measured():
    collection = ClassificationMetrics(3).collection("test")
    assert {f"test/{name}" for name in ClassificationMetrics.names} == set(collection.keys())
