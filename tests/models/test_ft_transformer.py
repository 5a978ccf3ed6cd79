import pytest
import torch

from lightune.models import FTTransformer


def made(width=4, **settings):
    torch.manual_seed(0)
    return FTTransformer([width], 3, **{"embedding": 8, "heads": 2, "units": 12, **settings})


def test_a_number_is_a_share_of_its_columns_vector_and_a_category_has_a_vector():
    tokens = made(cardinalities=[3]).tokens
    vectors = tokens(torch.tensor([[0.5, -1.0, 2.0, 1.0]]))[0]
    numbers = [value * tokens.scales[place] for place, value in enumerate((0.5, -1.0, 2.0))]
    wanted = torch.stack([torch.zeros(8), *numbers, tokens.tables[0].weight[1]]) + tokens.biases
    torch.testing.assert_close(vectors, wanted)


def test_the_vector_that_no_cell_has_is_judged():
    model, x = made(activation="tanh"), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    vectors = model.tokens(x)
    for block in model.blocks:
        vectors = block(vectors)
    norm, _, output = model.output
    torch.testing.assert_close(model(x), output(torch.tanh(norm(vectors[:, 0]))))


@pytest.mark.parametrize("cardinalities", [[], [3], [2, 3, 4, 5]])
def test_every_parameter_learns(cardinalities):
    model = made(cardinalities=cardinalities)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    for place, count in enumerate(cardinalities, start=4 - len(cardinalities)):
        x[:, place] = torch.arange(8) % count
    model(x).square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.numel() and not p.grad.abs().sum() > 0]
    assert still == []


def test_layers_heads_and_units_are_parameters():
    model = made(layers=3, heads=4, units=5)
    assert [(block.attention.heads, block.feed_forward[0].out_features) for block in model.blocks] == [(4, 5)] * 3


def test_dropout_drops_while_training_and_not_while_judging():
    model, x = made(dropout=0.5), torch.randn(5, 4)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_heads_that_do_not_divide_the_embedding_are_refused():
    with pytest.raises(ValueError, match="heads must divide embedding=8, got 3"):
        made(heads=3)
