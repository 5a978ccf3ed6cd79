import math

import pytest
import torch

from lightune.models import TextTransformer

TEXTS = torch.tensor([[2, 3, 4, 5], [4, 1, 0, 0], [5, 0, 0, 0]])
FORMS = pytest.mark.parametrize(
    ("pooling", "positions"),
    [("mean", "learned"), ("cls", "learned"), ("mean", "sinusoidal"), ("cls", "sinusoidal")],
)


def made(**settings):
    torch.manual_seed(0)
    return TextTransformer([4], 3, [6], **{"embedding": 8, "heads": 2, "units": 12, **settings})


@FORMS
def test_padding_says_nothing(pooling, positions):
    model = made(pooling=pooling, positions=positions)
    before = model(TEXTS)
    longer = torch.cat([TEXTS, torch.zeros(3, 9, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(longer), before)
    model.embedding.weight.data[0] = 100.0
    torch.testing.assert_close(model(longer), before)
    model(longer).sum().backward()
    assert not model.embedding.weight.grad[0].any()
    alone = torch.cat([model(text[text > 0].unsqueeze(0)) for text in TEXTS])
    torch.testing.assert_close(alone, before)


@FORMS
def test_an_empty_text_is_judged_alike_however_it_is_padded(pooling, positions):
    model = made(pooling=pooling, positions=positions)
    empty = [model(torch.zeros(2, length, dtype=torch.long)) for length in (1, 4)]
    torch.testing.assert_close(*empty)
    empty[1].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@FORMS
def test_the_order_of_tokens_counts(pooling, positions):
    model = made(pooling=pooling, positions=positions)
    assert not torch.allclose(model(torch.tensor([[2, 3, 4]])), model(torch.tensor([[4, 3, 2]])))


@FORMS
def test_a_text_that_is_longer_than_those_of_the_training_is_judged(pooling, positions):
    model = made(pooling=pooling, positions=positions)
    assert torch.isfinite(model(torch.tensor([[2, 3, 4, 5, 2, 3, 1]]))).all()


def test_waves_are_those_of_the_paper():
    model = made(embedding=6, heads=1, positions="sinusoidal")
    angles = [3 / 10_000 ** (2 * i / 6) for i in range(3)]
    wanted = [value for angle in angles for value in (math.sin(angle), math.cos(angle))]
    torch.testing.assert_close(model.positions(torch.arange(5))[3], torch.tensor(wanted))
    assert made(embedding=5, heads=1, positions="sinusoidal").positions(torch.arange(2)).shape == (2, 5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_every_parameter_learns(pooling):
    model = made(pooling=pooling, layers=2)
    model(TEXTS).square().sum().backward()
    still = [name for name, weight in model.named_parameters() if not weight.grad.abs().sum() > 0]
    assert still == []


def test_layers_heads_and_units_are_parameters():
    model = made(layers=3, heads=4, units=5)
    assert [(block.attention.heads, block.feed_forward[0].out_features) for block in model.blocks] == [(4, 5)] * 3


def test_dropout_drops_while_training_and_not_while_judging():
    model = made(dropout=0.5)
    assert not torch.equal(model(TEXTS), model(TEXTS))
    model.eval()
    assert torch.equal(model(TEXTS), model(TEXTS))


def test_heads_that_do_not_divide_the_embedding_are_refused():
    with pytest.raises(ValueError, match="heads must divide embedding=8, got 3"):
        made(heads=3)
