"""Muon for hidden weights and AdamW for the rest, as one optimizer that goes on from its state."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

from lightune.models import MLP
from lightune.optim import Muon
from lightune.optim.muon import hidden_weights


def network():
    torch.manual_seed(0)
    return MLP([6], 3, layers=2, units=8, batch_norm=True)


def steps(model, optimizer, count, seed=0):
    inputs = torch.randn(count, 16, 6, generator=torch.Generator().manual_seed(seed))
    for x in inputs:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), x.argmax(dim=1) % 3).backward()
        optimizer.step()


def test_hidden_weights_are_those_between_layers():
    model = network()
    assert {id(each) for each in hidden_weights(model)} == {
        id(each) for each in [each for each in model.parameters() if each.ndim == 2][:2]
    }


def test_embeddings_are_no_hidden_weights():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    assert [id(each) for each in hidden_weights(model)] == [id(model[1].weight)]


@pytest.mark.parametrize("divided", [False, True], ids=["one group", "two groups"])
def test_each_parameter_is_stepped_as_its_own_optimizer_steps_it(divided):
    model, other = network(), network()
    parameters = list(model.parameters())
    groups = [{"params": parameters[:3]}, {"params": parameters[3:], "weight_decay": 0.0}]
    ours = Muon(groups if divided else parameters, lr=1e-2, weight_decay=0.1)
    hidden = [id(each) for each in hidden_weights(other)]
    theirs = list(other.parameters())
    decays = [0.1] * 3 + [0.0 if divided else 0.1] * (len(theirs) - 3)
    apart = []
    for each, decay in zip(theirs, decays, strict=True):
        if id(each) in hidden:
            apart.append(torch.optim.Muon([each], lr=1e-2, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
        else:
            apart.append(torch.optim.AdamW([each], lr=1e-2, weight_decay=decay))
    steps(model, ours, 3)

    class All:
        def zero_grad(self):
            other.zero_grad()

        def step(self):
            for each in apart:
                each.step()

    steps(other, All(), 3)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_it_goes_on_from_its_state_to_the_bit():
    model = network()
    optimizer = Muon(model.parameters(), lr=1e-2)
    schedule = StepLR(optimizer, 1, 0.5)
    steps(model, optimizer, 2)
    schedule.step()
    other = copy.deepcopy(model)
    again = Muon(other.parameters(), lr=1e-2)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, own in ((model, optimizer), (other, again)):
        steps(each, own, 2, seed=1)
    assert [group["lr"] for group in again.param_groups] == [5e-3, 5e-3]
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert len(again.state) == len(list(other.parameters()))


def test_a_copy_of_a_network_and_its_optimizer_takes_the_same_steps():
    model = network()
    optimizer = Muon(model.parameters(), lr=1e-2)
    steps(model, optimizer, 2)
    other, again = copy.deepcopy((model, optimizer))
    for each, own in ((model, optimizer), (other, again)):
        steps(each, own, 2, seed=1)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert one is not two
        assert torch.equal(one, two)
