"""Networks of one structure as rows: what happens to a row happens to its network, until it is detached."""

import pytest
import torch
from torch import nn

from lightune.engine.fused.stack import Stack


def network(seed, units=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, units), nn.BatchNorm1d(units), nn.Linear(units, 2))


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_state(model, state):
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.fixture
def models():
    return [network(seed) for seed in range(3)]


def test_rows_are_the_networks_parameters(models):
    before = [state_of(model) for model in models]
    stack = Stack(models)
    for model, state in zip(models, before, strict=True):
        assert_state(model, state)
    stack.flat[1] += 1
    assert torch.equal(models[1][0].weight, before[1]["0.weight"] + 1)
    assert torch.equal(models[0][0].weight, before[0]["0.weight"])
    assert stack.parameters["2.bias"].shape == (3, 2)
    assert stack.weights == ["0.weight", "2.weight"]


def test_buffers_are_written_by_rows(models):
    stack = Stack(models)
    stack.write_buffers({"1.running_mean": torch.ones(2, 4)}, range(1, 3))
    stack.write_buffers({"1.running_mean": torch.full((1, 4), 5.0)}, [0])
    assert [model[1].running_mean[0].item() for model in models] == [5.0, 1.0, 1.0]


def test_a_snapshot_stays_as_it_is(models):
    stack = Stack(models)
    parameters, buffers = stack.snapshot(1)
    state = {name: view[0] for name, view in stack.columns(parameters).items()} | buffers
    before = state_of(models[1])
    stack.flat[1] += 1
    assert state.keys() == before.keys()
    assert all(torch.equal(state[name], value) for name, value in before.items())


def test_a_detached_network_keeps_its_end(models):
    stack = Stack(models)
    stack.detach(1)
    state = state_of(models[1])
    stack.flat[1] += 1
    assert_state(models[1], state)


def test_rows_that_are_kept_are_followed_and_others_detached(models):
    stack = Stack(models)
    before = [state_of(model) for model in models]
    stack.keep([2, 0])
    stack.flat.zero_()
    assert_state(models[1], before[1])
    assert models[2][0].weight.eq(0).all()
    assert len(stack) == 2


def test_an_admitted_network_takes_the_row(models):
    stack, other = Stack(models), network(9)
    state, ended = state_of(other), state_of(models[1])
    stack.add_members(1, other)
    assert_state(other, state)
    stack.flat[1] += 1
    assert torch.equal(other[0].weight, state["0.weight"] + 1)
    assert_state(models[1], ended)


def test_other_structures_are_refused(models):
    with pytest.raises(ValueError, match="same names and shapes"):
        Stack([*models, network(0, units=5)])
    with pytest.raises(ValueError, match="same names and shapes"):
        Stack(models).add_members(0, network(0, units=5))


def test_frozen_parameters_are_state_that_no_update_touches(models):
    for model in models:
        model[0].weight.requires_grad_(False)
    stack = Stack(models)
    assert "0.weight" in stack.buffers
    assert "0.weight" not in stack.shapes
