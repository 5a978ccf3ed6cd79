"""Averages of weights: what they are, and that the two change places."""

import pytest
import torch
from torch import nn

from lightune.regularization import Regularization, WeightAverage


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def moved(model, by):
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(by)


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_an_exponential_average_keeps_what_its_rule_says(decay):
    model = network()
    average, expected = WeightAverage(model, decay), model[0].weight.detach().double()
    for step in range(20):
        moved(model, 1)
        average.update()
        kept = min(decay, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * model[0].weight.detach().double()
    torch.testing.assert_close(average.averaged["0.weight"].double(), expected, rtol=1e-5, atol=1e-5)
    assert average.averaged["1.num_batches_tracked"] == model[1].num_batches_tracked == 20


def test_a_mean_is_the_mean_of_what_it_was_given_running_statistics_included():
    model = network()
    average, first, running = WeightAverage(model, None), model[0].weight.clone(), model[1].running_var.clone()
    for _ in range(3):
        moved(model, 1)
        average.update()
    torch.testing.assert_close(average.averaged["0.weight"], first + 2)
    torch.testing.assert_close(average.averaged["1.running_var"], running + 2)


def test_weights_and_averages_change_places_and_back_to_the_bit():
    model = network()
    average = WeightAverage(model, None)
    moved(model, 1)
    average.update()
    moved(model, 1)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    averages = {name: value.clone() for name, value in average.averaged.items()}
    for swapped, current in ((True, averages), (False, weights)):
        average.swap()
        assert average.is_swapped == swapped
        for name, value in model.state_dict().items():
            assert torch.equal(value, current[name])
            assert torch.equal(average.averaged[name], averages[name])
            assert torch.equal(average.trained[name], weights[name])


def test_an_average_goes_on_from_its_state():
    model = network()
    average = WeightAverage(model, 0.9)
    moved(model, 1)
    average.update()
    other = WeightAverage(model, 0.9)
    other.load_state_dict(average.state_dict())
    moved(model, 1)
    for each in (average, other):
        each.update()
    assert other.updates == 2
    assert all(torch.equal(value, other.averaged[name]) for name, value in average.averaged.items())


def test_nothing_is_averaged_by_default():
    assert Regularization().average_of(network()) is None
    assert Regularization(ema=0.9).average_of(network()) is not None
    assert Regularization(swa=0.0).average_of(network()) is not None
