import pytest
import torch
from torch import nn

from lightune.models import TextMean


def test_the_mean_is_over_the_tokens_that_are_there():
    torch.manual_seed(0)
    model = TextMean([4], 3, [6], embedding=5, layers=0)
    x = torch.tensor([[2, 3, 3, 0], [1, 0, 0, 0]])
    vectors = model.embedding.weight
    mean = torch.stack([(vectors[2] + 2 * vectors[3]) / 3, vectors[1]])
    torch.testing.assert_close(model(x), model.head[-1](mean))


def test_padding_says_nothing():
    model = TextMean([4], 3, [6]).eval()
    short, long = torch.tensor([[2, 3]]), torch.tensor([[2, 3, 0, 0, 0, 0]])
    torch.testing.assert_close(model(short), model(long))


def test_an_empty_text_is_judged_without_an_infinite_value():
    model = TextMean([2], 3, [6])
    out = model(torch.zeros(1, 2, dtype=torch.long))
    torch.testing.assert_close(out, model.head(torch.zeros(1, 64)))
    out.sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


@pytest.mark.parametrize(("layers", "widths"), [(0, [7]), (1, [7, 5]), (2, [7, 5, 5])])
def test_hidden_layers_stand_behind_the_mean(layers, widths):
    model = TextMean([4], 3, [6], embedding=7, layers=layers, units=5)
    linear = [module for module in model.head if isinstance(module, nn.Linear)]
    assert [module.in_features for module in linear] == widths
    assert linear[-1].out_features == 3
    assert model.embedding.weight.shape == (6, 7)


def test_dropout_drops_while_training_and_not_while_judging():
    torch.manual_seed(0)
    model, x = TextMean([4], 2, [9], dropout=0.5), torch.tensor([[1, 2, 3, 4]])
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
