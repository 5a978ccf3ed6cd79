"""Steps of an optimizer by a call of its kernel: to the bit those of the optimizer itself, or its own."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.optim.lr_scheduler import StepLR

from lightune.engine.kernels import direct_update, kernel_for

KINDS = {
    "sgd": (SGD, {"lr": 0.1, "weight_decay": 0.1}),
    "momentum": (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "nesterov": (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "adam": (Adam, {"lr": 0.1, "betas": (0.7, 0.9), "weight_decay": 0.1}),
    "decoupled": (Adam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adamw": (AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    "amsgrad": (AdamW, {"lr": 0.1, "amsgrad": True, "maximize": True, "eps": 1e-3}),
    "adagrad": (Adagrad, {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.1}),
}


def network():
    return nn.Sequential(nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 3))


def give_gradients(model, step):
    random = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)


def begun(kind=AdamW, **settings):
    """Return a network, and its optimizer after one step."""
    model = network()
    optimizer = kind(model.parameters(), **{"lr": 0.1, "fused": True} | settings)
    give_gradients(model, 0)
    optimizer.step()
    return model, optimizer


def is_direct(optimizer):
    return direct_update(optimizer) != optimizer.step


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_the_optimizer_to_the_bit(kind):
    optimizer, settings = KINDS[kind]
    models = [network()]
    models.append(copy.deepcopy(models[0]))
    optimizers = [optimizer(model.parameters(), fused=True, **settings) for model in models]
    schedules = [StepLR(each, step_size=2, gamma=0.5) for each in optimizers]
    for step in range(6):
        for model in models:
            give_gradients(model, step)
        optimizers[0].step()
        update = direct_update(optimizers[1])
        assert (update != optimizers[1].step) == (step > 0)
        update()
        for schedule in schedules:
            schedule.step()
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, two)
    states = [each.state_dict()["state"] for each in optimizers]
    for place, own in states[0].items():
        assert own.keys() == states[1][place].keys()
        for name, value in own.items():
            assert value is states[1][place][name] is None or torch.equal(value, states[1][place][name])


def test_an_update_follows_a_schedule_and_groups_of_their_own():
    model = network()
    other = copy.deepcopy(model)
    groups = [
        [{"params": each[0].parameters(), "lr": 0.5}, {"params": each[2].parameters()}] for each in (model, other)
    ]
    optimizers = [AdamW(group, lr=0.1, fused=True) for group in groups]
    for each, optimizer in zip((model, other), optimizers, strict=True):
        give_gradients(each, 0)
        optimizer.step()
    update = direct_update(optimizers[1])
    for step in range(1, 4):
        for each, optimizer in zip((model, other), optimizers, strict=True):
            optimizer.param_groups[0]["lr"] *= 0.5
            give_gradients(each, step)
        optimizers[0].step()
        update()
    assert is_direct(optimizers[1])
    assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_a_parameter_without_a_gradient_is_left_alone():
    model, optimizer = begun()
    before = model[0].weight.clone()
    give_gradients(model, 1)
    model[0].weight.grad = None
    direct_update(optimizer)()
    assert torch.equal(model[0].weight, before)
    assert optimizer.state[model[2].weight]["step"] == 2


def test_who_watches_steps_is_called():
    _, optimizer = begun()
    assert is_direct(optimizer)
    handle = optimizer.register_step_post_hook(lambda *_: None)
    assert not is_direct(optimizer)
    handle.remove()
    assert is_direct(optimizer)
    optimizer.step = lambda: None
    assert not is_direct(optimizer)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (AdamW, {"fused": False}),
        (AdamW, {"fused": None, "foreach": True}),
        (AdamW, {"lr": torch.tensor(0.1)}),
        (RMSprop, {"fused": None}),
    ],
    ids=["plain", "foreach", "tensor", "rmsprop"],
)
def test_others_take_their_own_steps(kind, settings):
    given = {name: value for name, value in settings.items() if not (name == "fused" and value is None)}
    model = network()
    optimizer = kind(model.parameters(), **{"lr": 0.1} | given)
    give_gradients(model, 0)
    optimizer.step()
    assert not is_direct(optimizer)


def test_a_group_with_nothing_to_train_takes_its_own_steps():
    model = network()
    optimizer = AdamW([{"params": model.parameters()}, {"params": []}], lr=0.1, fused=True)
    give_gradients(model, 0)
    optimizer.step()
    assert not is_direct(optimizer)


def test_a_momentum_that_comes_later_is_followed():
    models = [network()]
    models.append(copy.deepcopy(models[0]))
    optimizers = [SGD(model.parameters(), lr=0.1, fused=True) for model in models]
    update = direct_update(optimizers[1])
    for step in range(4):
        for model, optimizer in zip(models, optimizers, strict=True):
            give_gradients(model, step)
            optimizer.param_groups[0]["momentum"] = 0.9 if step > 1 else 0.0
        optimizers[0].step()
        update()
    assert all(map(torch.equal, models[0].parameters(), models[1].parameters()))


class Halving(AdamW):
    """Takes half of a step."""


def test_an_optimizer_of_ones_own_takes_its_own_steps():
    assert not is_direct(begun(Halving)[1])


@pytest.mark.parametrize(
    ("kind", "switches", "sizes", "has_one"),
    [
        (AdamW, {}, [5000], True),
        (AdamW, {"fused": True}, [5000], True),
        (AdamW, {"fused": False}, [5000], False),
        (AdamW, {}, [5000, 10, 10, 10, 10, 10], False),
        (SGD, {}, [5000], True),
        (Adam, {}, [5000], True),
        (Adagrad, {}, [5000], True),
        (RMSprop, {}, [5000], False),
    ],
)
def test_a_kernel_updates_large_members_unless_the_plain_form_is_asked_for(kind, switches, sizes, has_one):
    assert (kernel_for(kind, switches, sizes, torch.zeros(1)) is not None) == has_one
    assert kernel_for(kind, switches, sizes, torch.zeros(1, device="meta")) is None
