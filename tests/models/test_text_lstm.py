import pytest
import torch
from torch import nn

from lightune.models import TextLSTM

POOLINGS = ("last", "mean", "max")
TEXTS = torch.tensor([[2, 3, 4, 5], [4, 1, 0, 0], [5, 0, 0, 0]])


def texts_in_batches_of_their_own():
    for text in TEXTS:
        yield text[text > 0].unsqueeze(0)


def alone(model, text):
    """What torch's own LSTM makes of one text without padding."""
    states, width = model.embedding(text), model.readers[0][0].hidden_size
    for readers in model.readers:
        kernel = nn.LSTM(states.shape[2], width, batch_first=True, bidirectional=len(readers) == 2)
        for suffix, reader in zip(("", "_reverse"), readers, strict=False):
            for name, value in reader.named_parameters():
                getattr(kernel, name + suffix).data = value.data
        states, (last, _) = kernel(states)
    pooled = {"mean": states.mean(dim=1), "max": states.amax(dim=1), "last": last.transpose(0, 1).flatten(1)}
    return model.output(pooled[model.pooling])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_padded_text_is_read_as_torch_reads_it_without_padding(pooling, bidirectional, layers):
    torch.manual_seed(0)
    settings = {"layers": layers, "bidirectional": bidirectional, "pooling": pooling}
    model = TextLSTM([4], 3, [6], embedding=5, units=7, **settings)
    wanted = torch.cat([alone(model, text) for text in texts_in_batches_of_their_own()])
    torch.testing.assert_close(model(TEXTS), wanted)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_says_nothing(pooling):
    torch.manual_seed(0)
    model = TextLSTM([4], 3, [6], layers=2, pooling=pooling)
    before = model(TEXTS)
    longer = torch.cat([TEXTS, torch.zeros(3, 9, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(longer), before)
    model.embedding.weight.data[0] = 100.0
    torch.testing.assert_close(model(longer), before)
    model(longer).sum().backward()
    assert not model.embedding.weight.grad[0].any()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_empty_text_is_judged_by_nothing(pooling):
    model = TextLSTM([2], 3, [6], pooling=pooling)
    for length in (1, 5):
        out = model(torch.zeros(1, length, dtype=torch.long))
        torch.testing.assert_close(out[0], model.output.bias)
    out.sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_the_order_of_tokens_counts():
    torch.manual_seed(0)
    model = TextLSTM([4], 3, [6])
    assert not torch.allclose(model(torch.tensor([[2, 3, 4]])), model(torch.tensor([[4, 3, 2]])))


@pytest.mark.parametrize(("bidirectional", "directions"), [(False, 1), (True, 2)])
def test_layers_units_and_directions_are_parameters(bidirectional, directions):
    model = TextLSTM([4], 3, [6], embedding=5, layers=3, units=7, bidirectional=bidirectional)
    sizes = [[(reader.input_size, reader.hidden_size) for reader in readers] for readers in model.readers]
    assert sizes == [[(5, 7)] * directions, *[[(7 * directions, 7)] * directions] * 2]
    assert model.output.in_features == 7 * directions


def test_every_parameter_learns_but_for_tokens_that_are_not_there():
    model = TextLSTM([4], 2, [6], layers=2)
    model(TEXTS).square().sum().backward()
    assert [name for name, weight in model.named_parameters() if not weight.grad.abs().sum() > 0] == []


def test_dropout_drops_while_training_and_not_while_judging():
    torch.manual_seed(0)
    model = TextLSTM([4], 2, [6], dropout=0.5)
    assert not torch.equal(model(TEXTS), model(TEXTS))
    model.eval()
    assert torch.equal(model(TEXTS), model(TEXTS))
