import pytest
import torch
from torch import nn

from lightune.inference.attribution import gradient_times_input
from lightune.inference.network import PredictingNetwork


class Half(nn.Module):
    def forward(self, x):
        return x / 2


def network(outputs, predictions):
    torch.manual_seed(0)
    return PredictingNetwork(Half(), nn.Sequential(nn.Flatten(), nn.Linear(18, outputs)), predictions)


IMAGES = torch.randn(5, 2, 3, 3, generator=torch.Generator().manual_seed(1))


def linear_parts(made):
    """Weight times input of each output, (5, outputs, 3, 3): what a linear network's output is the sum of."""
    weight = made.network[1].weight.detach().view(1, -1, 2, 3, 3)
    return (weight * (IMAGES / 2).unsqueeze(1)).sum(dim=2)


def test_of_classes_it_is_the_output_of_the_likeliest():
    made = network(3, lambda outputs: outputs.softmax(dim=1))
    found, predicted = gradient_times_input(made, IMAGES, of_classes=True)
    chosen = predicted.argmax(dim=1)
    assert len(set(chosen.tolist())) > 1
    assert torch.allclose(found, linear_parts(made)[torch.arange(5), chosen], atol=1e-6)
    assert torch.allclose(predicted, made(IMAGES).detach(), atol=1e-6)
    sums = found.sum(dim=(1, 2)) + made.network[1].bias.detach()[chosen]
    assert torch.allclose(sums, made.network(IMAGES / 2).max(dim=1).values.detach(), atol=1e-5)


def test_of_one_output_for_two_classes_it_speaks_for_the_likelier():
    made = network(1, lambda outputs: torch.cat([1 - outputs.sigmoid(), outputs.sigmoid()], dim=1))
    found, predicted = gradient_times_input(made, IMAGES, of_classes=True)
    signs = torch.where(predicted[:, 1] > 0.5, 1.0, -1.0).view(-1, 1, 1)
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}
    assert torch.allclose(found, signs * linear_parts(made)[:, 0], atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_of_values_it_is_their_sum(count):
    made = network(count, lambda outputs: outputs)
    found, _ = gradient_times_input(made, IMAGES, of_classes=False)
    assert torch.allclose(found, linear_parts(made).sum(dim=1), atol=1e-6)


def test_weights_get_no_gradients_and_batches_do_not_matter(monkeypatch):
    made = network(3, lambda outputs: outputs.softmax(dim=1))
    whole, _ = gradient_times_input(made, IMAGES, of_classes=True)
    assert all(each.grad is None for each in made.parameters())
    monkeypatch.setattr("lightune.inference.attribution._AT_ONCE", 2)
    assert torch.allclose(gradient_times_input(made, IMAGES, of_classes=True)[0], whole, atol=1e-6)
