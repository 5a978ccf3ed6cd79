import pytest
import torch
from torch import nn

from lightune.models import TabularResNet


def test_each_block_adds_to_the_features_before_it():
    torch.manual_seed(0)
    model = TabularResNet([4], 2, blocks=2, units=6, hidden=9, normalization="layer", activation="tanh")
    x = torch.randn(5, 4)
    features = model.input(x)
    for norm, widen, _, _, narrow in model.blocks:
        features = features + narrow(torch.tanh(widen(norm(features))))
    norm, _, output = model.output
    torch.testing.assert_close(model(x), output(torch.tanh(norm(features))))


@pytest.mark.parametrize(("normalization", "kind"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_blocks_units_hidden_and_normalization_are_parameters(normalization, kind):
    model = TabularResNet([4], 2, blocks=3, units=6, hidden=9, normalization=normalization)
    shapes = [(block[1].in_features, block[1].out_features, block[4].out_features) for block in model.blocks]
    assert shapes == [(6, 9, 6)] * 3
    assert sum(type(module) is kind for module in model.modules()) == 4


def test_codes_of_categories_become_learnt_vectors():
    torch.manual_seed(0)
    model = TabularResNet([4], 2, cardinalities=[3, 5]).eval()
    rows = torch.tensor([[0.5, 0.1, 1, 2], [0.5, 0.1, 1, 4]])
    assert not torch.allclose(*model(rows))
    model.flatten.tables[1].weight.data[4] = model.flatten.tables[1].weight.data[2]
    torch.testing.assert_close(*model(rows))


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_every_parameter_learns(normalization):
    torch.manual_seed(0)
    model = TabularResNet([4], 2, normalization=normalization, cardinalities=[2])
    x = torch.cat([torch.randn(8, 3), torch.arange(8).unsqueeze(1) % 2], dim=1)
    model(x).square().sum().backward()
    assert [name for name, weight in model.named_parameters() if not weight.grad.abs().sum() > 0] == []


def test_dropout_drops_while_training_and_not_while_judging():
    torch.manual_seed(0)
    model, x = TabularResNet([4], 2, normalization="layer", dropout=0.5), torch.randn(5, 4)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
