"""What a member is made of."""

from functools import partial

import pytest
import torch
from fused_members import Pairs, Spec

from lightune.losses import BinaryCrossEntropy, CrossEntropy
from lightune.metrics import ClassificationMetrics
from lightune.models import MLP


def test_a_member_is_active_until_it_has_an_ending():
    member = Spec().member()
    assert member.is_active
    member.ending = "stopped"
    assert not member.is_active


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_label_smoothing_is_the_losss(share):
    assert Spec(loss=partial(CrossEntropy, label_smoothing=share)).member().label_smoothing == share


def test_a_loss_that_smoothes_no_labels_has_none():
    model = partial(MLP, (1, 6, 6), 1, layers=1, units=8)
    spec = Spec(data=Pairs, loss=BinaryCrossEntropy, classes=2, metrics=ClassificationMetrics(2), model=model)
    assert spec.member().label_smoothing == 0.0


def test_weights_of_a_checkpoint_are_loaded_in_the_dtype_that_is_asked_for():
    other, member = Spec(1).member(), Spec(0).member()
    member.load_weights(torch.float64)  # nothing to load
    assert next(member.task.model.parameters()).dtype == torch.float32
    member.checkpoint = {"state_dict": other.task.double().state_dict()}
    member.load_weights(torch.float64)
    for name, value in other.task.state_dict().items():
        assert torch.equal(member.task.state_dict()[name], value)
