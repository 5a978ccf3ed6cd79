import pytest
import torch
from torch import nn

from lightune.regularization import Regularization


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 4), nn.LayerNorm(4))


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.0, 0.01), (0.1, 0.01)])
def test_the_penalty_counts_weights_but_no_biases_and_no_scales_of_a_norm(model, l1, l2):
    weights = [model[0].weight.detach().numpy(), model[3].weight.detach().numpy()]
    expected = sum(l1 * abs(weight).sum() + l2 * (weight**2).sum() for weight in weights)
    penalty = Regularization(l1=l1, l2=l2).penalty(model)
    assert penalty.item() == pytest.approx(expected, rel=1e-6)


def test_changing_biases_and_scales_changes_no_penalty(model):
    strengths = Regularization(l1=0.1, l2=0.1)
    before = strengths.penalty(model).item()
    with torch.no_grad():
        for layer in model:
            for parameter in layer.parameters():
                if parameter.ndim == 1:
                    parameter.fill_(1000.0)
    assert strengths.penalty(model).item() == before


def test_the_penalty_pulls_on_the_weights_with_its_gradient(model):
    Regularization(l1=0.1, l2=0.01).penalty(model).backward()
    weight = model[3].weight
    torch.testing.assert_close(weight.grad, 0.1 * weight.sign() + 2 * 0.01 * weight)
    assert model[3].bias.grad is None


def test_frozen_weights_are_not_counted(model):
    model[0].requires_grad_(False)
    expected = abs(model[3].weight.detach().numpy()).sum()
    assert Regularization(l1=1.0).penalty(model).item() == pytest.approx(expected, rel=1e-6)


def test_without_strengths_there_is_no_penalty(model):
    assert Regularization().penalty(model) is None
    assert Regularization(dropout=0.5, gradient_clip=1.0).penalty(model) is None


def test_a_model_without_trainable_weights_has_no_penalty():
    assert Regularization(l1=1.0).penalty(nn.BatchNorm1d(3)) is None


def test_a_preset_keeps_what_models_and_trainers_read():
    strengths = Regularization(dropout=0.5, gradient_clip=1.0)
    assert (strengths.l1, strengths.l2, strengths.dropout, strengths.gradient_clip) == (0, 0, 0.5, 1.0)
