import pytest
import torch

from lightune.metrics import ClassificationMetrics
from lightune.metrics.meter import StageMeter


def halves(count, right):
    """Return predictions (count, 3) of class 0 and as many targets, of which the first `right` are class 0."""
    target = torch.ones(count, dtype=torch.int64)
    target[:right] = 0
    return torch.tensor([[0.8, 0.1, 0.1]]).repeat(count, 1), target


def test_the_mean_loss_counts_each_sample_and_not_each_batch():
    meter = StageMeter(ClassificationMetrics(3), "train")
    meter.add(torch.tensor(1.0), *halves(9, 9))
    meter.add(torch.tensor(11.0), *halves(1, 1))
    assert meter.read()["train/loss"].item() == pytest.approx((9 * 1 + 1 * 11) / 10)


def test_accuracy_counts_each_sample_and_not_each_batch():
    meter = StageMeter(ClassificationMetrics(3), "train")
    meter.add(torch.tensor(0.0), *halves(9, 9))
    meter.add(torch.tensor(0.0), *halves(1, 0))
    assert meter.read()["train/accuracy"].item() == pytest.approx(0.9)


def test_a_reading_begins_anew():
    meter = StageMeter(ClassificationMetrics(3), "train")
    meter.add(torch.tensor(5.0), *halves(4, 0))
    meter.read()
    meter.add(torch.tensor(2.0), *halves(4, 4))
    second = meter.read()
    assert second["train/loss"].item() == 2.0
    assert second["train/accuracy"].item() == 1.0


@pytest.mark.parametrize("buffered", [1_000_000, 0], ids=["kept", "counted in"])
def test_it_knows_whether_there_is_something_to_read(buffered):
    meter = StageMeter(ClassificationMetrics(3), "train", buffered_values=buffered)
    assert not meter.has_samples
    meter.add(torch.tensor(5.0), *halves(4, 0))
    assert meter.has_samples
    meter.read()
    assert not meter.has_samples


def test_a_full_buffer_is_counted_in_and_changes_no_figure():
    def read(**settings):
        meter = StageMeter(ClassificationMetrics(3), "train", **settings)
        for count, right in [(4, 1), (3, 3), (2, 0), (8, 4)]:
            meter.add(torch.tensor(float(right)), *halves(count, right))
            kept.append(sum(len(part) for part in meter._outputs))
        return {name: value.item() for name, value in meter.read().items()}

    kept: list[int] = []
    whole = read()
    assert kept == [4, 7, 9, 17]
    kept.clear()
    assert read(buffered_values=20) == pytest.approx(whole)
    assert kept == [4, 0, 2, 0]


def test_what_is_kept_holds_no_graph():
    weight = torch.ones((), requires_grad=True)
    predictions, target = halves(4, 2)
    meter = StageMeter(ClassificationMetrics(3), "train")
    meter.add(weight * 2, predictions * weight, target)
    assert not any(part.requires_grad for part in meter._outputs)
    assert not any(value.requires_grad for value in meter.read().values())


def test_the_figures_of_a_stage_are_not_part_of_a_checkpoint():
    meter = StageMeter(ClassificationMetrics(3), "train")
    meter.add(torch.tensor(1.0), *halves(4, 2))
    meter.read()
    assert meter.state_dict() == {}
