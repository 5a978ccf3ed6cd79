from functools import partial

import pytest
import torch
from torch import nn

from lightune.errors import ConfigError
from lightune.losses import BinaryCrossEntropy, CrossEntropy, Focal
from lightune.losses.classification import mixed_loss

OUTPUTS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 1.0], [0.3, 0.2, 0.1]])
CLASSES = torch.tensor([0, 2, 1, 1])


def test_cross_entropy_is_the_negative_log_likelihood_of_the_true_class():
    likelihood = (OUTPUTS.exp() / OUTPUTS.exp().sum(dim=1, keepdim=True))[range(4), CLASSES]
    torch.testing.assert_close(CrossEntropy()(OUTPUTS, CLASSES), -likelihood.log().mean())


@pytest.mark.parametrize("loss", [CrossEntropy, partial(CrossEntropy, 0.2), Focal, BinaryCrossEntropy])
def test_a_mixture_has_a_share_of_the_loss_of_each_of_its_classes(loss):
    other, share = CLASSES.roll(1), torch.tensor([0.5, 0.7, 1.0, 0.8])[: len(CLASSES)]
    own = loss()
    expected = share * own.of_each(OUTPUTS, CLASSES) + (1 - share) * own.of_each(OUTPUTS, other)
    torch.testing.assert_close(mixed_loss(own, OUTPUTS, CLASSES, other, share), expected.mean())
    alone = mixed_loss(own, OUTPUTS, CLASSES, other, torch.ones_like(share))
    torch.testing.assert_close(alone, own(OUTPUTS, CLASSES))


@pytest.mark.parametrize("loss", [CrossEntropy, Focal, BinaryCrossEntropy])
def test_classes_weigh_in_a_mixture_as_in_samples(loss):
    """A mixture of a class with itself counts as a sample of it does; equal weights change nothing."""
    share = torch.full((len(CLASSES),), 0.7)
    weighted, same = loss(class_weights=[1.0, 2.0, 5.0]), loss(class_weights=[3.0, 3.0, 3.0])
    alike = mixed_loss(weighted, OUTPUTS, CLASSES, CLASSES, share)
    torch.testing.assert_close(alike, weighted(OUTPUTS, CLASSES))
    other = CLASSES.roll(1)
    torch.testing.assert_close(
        mixed_loss(same, OUTPUTS, CLASSES, other, share), mixed_loss(loss(), OUTPUTS, CLASSES, other, share)
    )


def test_label_smoothing_spreads_a_share_of_the_target_over_all_classes():
    target = 0.7 * nn.functional.one_hot(CLASSES, 3) + 0.3 / 3
    expected = -(target * OUTPUTS.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(CrossEntropy(label_smoothing=0.3)(OUTPUTS, CLASSES), expected)


def test_cross_entropy_wants_one_output_a_class_and_predicts_the_softmax():
    loss = CrossEntropy()
    assert [loss.num_outputs(classes) for classes in (2, 10)] == [2, 10]
    torch.testing.assert_close(loss.predict(OUTPUTS), torch.softmax(OUTPUTS, dim=1))


def test_binary_cross_entropy_of_two_classes_has_one_output():
    loss, outputs, target = BinaryCrossEntropy(), torch.tensor([[2.0], [-0.5], [0.0]]), torch.tensor([1, 0, 1])
    expected = nn.BCEWithLogitsLoss()(outputs[:, 0], target.float())
    assert loss.num_outputs(2) == 1
    torch.testing.assert_close(loss(outputs, target), expected)


def test_the_one_output_is_the_probability_of_class_one():
    probability = torch.sigmoid(torch.tensor([2.0, -0.5]))
    predicted = BinaryCrossEntropy().predict(torch.tensor([[2.0], [-0.5]]))
    torch.testing.assert_close(predicted, torch.stack([1 - probability, probability], dim=1))


def test_binary_cross_entropy_of_more_classes_is_one_versus_rest():
    loss = BinaryCrossEntropy()
    truth = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]])
    assert loss.num_outputs(3) == 3
    torch.testing.assert_close(loss(OUTPUTS, CLASSES), nn.BCEWithLogitsLoss()(OUTPUTS, truth))
    torch.testing.assert_close(loss.predict(OUTPUTS), torch.sigmoid(OUTPUTS))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_counts_a_sample_by_what_is_missing_to_certainty(gamma):
    probability = torch.softmax(OUTPUTS, dim=1)[range(4), CLASSES]
    expected = (-((1 - probability) ** gamma) * probability.log()).mean()
    torch.testing.assert_close(Focal(gamma)(OUTPUTS, CLASSES), expected)
    if not gamma:
        torch.testing.assert_close(Focal(gamma)(OUTPUTS, CLASSES), CrossEntropy()(OUTPUTS, CLASSES))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_finite_slope_where_nothing_is_missing(gamma):
    outputs = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    Focal(gamma)(outputs, torch.tensor([0, 0])).backward()
    assert outputs.grad.isfinite().all()


def test_focal_wants_one_output_a_class_and_predicts_the_softmax():
    assert Focal().num_outputs(2) == 2
    torch.testing.assert_close(Focal().predict(OUTPUTS), torch.softmax(OUTPUTS, dim=1))


@pytest.mark.parametrize("loss", [CrossEntropy(), BinaryCrossEntropy(), Focal()])
def test_predictions_of_half_precision_outputs_are_single_precision(loss):
    assert loss.predict(OUTPUTS.bfloat16()).dtype == torch.float32


def weighed(losses, weights):
    own = torch.tensor(weights)[CLASSES]
    return (losses * own).sum() / own.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_sample_counts_as_much_as_its_class_weighs(smoothing):
    weights = [1.0, 2.0, 0.5]
    each = nn.functional.cross_entropy(OUTPUTS, CLASSES, label_smoothing=smoothing, reduction="none")
    loss = CrossEntropy(smoothing, weights, num_classes=3)
    torch.testing.assert_close(loss(OUTPUTS, CLASSES), weighed(each, weights))
    if not smoothing:  # where torch weighs samples, too; it weighs the smoothed share by class
        theirs = nn.functional.cross_entropy(OUTPUTS, CLASSES, weight=torch.tensor(weights))
        torch.testing.assert_close(loss(OUTPUTS, CLASSES), theirs)


def test_a_decision_counts_as_much_as_its_samples_class_weighs():
    truth = nn.functional.one_hot(CLASSES, 3).float()
    each = nn.functional.binary_cross_entropy_with_logits(OUTPUTS, truth, reduction="none").mean(1)
    weights = [1.0, 2.0, 0.5]
    torch.testing.assert_close(BinaryCrossEntropy(weights)(OUTPUTS, CLASSES), weighed(each, weights))
    one, target = OUTPUTS[:, :1], torch.tensor([0, 1, 1, 0])
    each = nn.functional.binary_cross_entropy_with_logits(one, target[:, None].float(), reduction="none")[:, 0]
    own = torch.tensor([1.0, 4.0])[target]
    torch.testing.assert_close(BinaryCrossEntropy([1.0, 4.0])(one, target), (each * own).sum() / own.sum())


def test_a_focal_sample_counts_as_much_as_its_class_weighs():
    weights = [1.0, 2.0, 0.5]
    torch.testing.assert_close(
        Focal(2.0, weights)(OUTPUTS, CLASSES), weighed(Focal(2.0).of_each(OUTPUTS, CLASSES), weights)
    )


@pytest.mark.parametrize("loss", [CrossEntropy, BinaryCrossEntropy, Focal])
def test_a_judged_loss_counts_all_samples_the_same(loss):
    plain, weighs = loss(), loss(class_weights=[1.0, 9.0, 0.1])
    assert not torch.equal(weighs(OUTPUTS, CLASSES), plain(OUTPUTS, CLASSES))
    assert torch.equal(weighs.eval()(OUTPUTS, CLASSES), plain(OUTPUTS, CLASSES))
    assert weighs.state_dict() == {}


def test_a_judged_loss_is_not_smoothed():
    smoothed = CrossEntropy(label_smoothing=0.3)
    assert smoothed(OUTPUTS, CLASSES) != CrossEntropy()(OUTPUTS, CLASSES)
    assert torch.equal(smoothed.eval()(OUTPUTS, CLASSES), CrossEntropy()(OUTPUTS, CLASSES))


def test_balanced_classes_count_the_same_in_all():
    counts = [10, 40, 150, 0]
    weights = CrossEntropy(class_weights="balanced", class_counts=counts).weights
    assert weights[:3].tolist() == pytest.approx([200 / (4 * count) for count in counts[:3]])
    assert weights.isfinite().all()
    assert CrossEntropy(class_counts=counts).weights is None


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(
        ConfigError, match=r"loss.class_weights  must be a weight for each of the 3 classes, got 2"
    ):
        CrossEntropy(class_weights=[1.0, 2.0], num_classes=3)
    with pytest.raises(ConfigError, match=r"loss.class_weights  balanced needs data that tell class_counts"):
        BinaryCrossEntropy("balanced")
