"""What is frozen, what is trained and at which rate, and what is saved."""

import copy

import pytest
import torch
from torch import nn

from lightune.models import TransferNetwork


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Dropout(0.5))
        self.layer2 = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6))

    def forward(self, x):
        return self.layer2(self.layer1(self.norm(self.stem(x)))).mean((2, 3))


class Network(TransferNetwork):
    @staticmethod
    def make_body(name, weights, *, shared):
        return Body()


def made(*, is_pretrained=True, **arguments):
    torch.manual_seed(0)
    usual = {"freeze": "features", "unfreeze_at": None, "body_lr": 1.0, "layer_decay": 1.0, "units": []}
    usual |= {"activation": "relu", "dropout": 0.0, "image_size": None}
    weights = "some" if is_pretrained else None
    return Network((3, 8, 8), 2, "body", weights, **{**usual, **arguments})


def step(network):
    """Train for a step; return the names of weights and buffers that have moved."""
    network.train()
    network.zero_grad()
    before = copy.deepcopy({**dict(network.named_parameters()), **dict(network.named_buffers())})
    optimizer = torch.optim.SGD([each for _, group in network.parameter_groups() for each in group], lr=1.0)
    network(torch.randn(4, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    after = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return {
        name.partition(".")[0] + "." + name.split(".")[1]
        for name in after
        if not torch.equal(after[name], before[name])
    }


def test_a_frozen_body_does_not_move_nor_do_its_statistics():
    network = made()
    assert step(network) == {"head.1"}
    assert not any(module.training for module in network.body.modules())


def test_without_freezing_all_of_it_moves():
    assert step(made(freeze="none")) == {"head.1", "body.stem", "body.norm", "body.layer1", "body.layer2"}


def test_everything_up_to_a_module_is_frozen():
    network = made(freeze="layer1")
    assert step(network) == {"head.1", "body.layer2"}
    assert network.body.layer2.training
    assert not network.body.layer1[1].training
    assert step(made(freeze="stem")) == {"head.1", "body.norm", "body.layer1", "body.layer2"}


def test_what_was_frozen_is_trained_from_an_epoch_on():
    network = made(unfreeze_at=2)
    network.at_epoch(1)
    assert step(network) == {"head.1"}
    network.at_epoch(2)
    assert step(network) == {"head.1", "body.stem", "body.norm", "body.layer1", "body.layer2"}
    network.at_epoch(1)
    assert step(network) == {"head.1"}


def test_groups_are_the_same_in_every_epoch():
    network = made(unfreeze_at=2, body_lr=0.1, layer_decay=0.5)
    groups = network.parameter_groups()
    network.at_epoch(2)
    assert [(scale, [id(each) for each in own]) for scale, own in groups] == [
        (scale, [id(each) for each in own]) for scale, own in network.parameter_groups()
    ]
    assert [scale for scale, _ in groups] == pytest.approx([1, 0.05, 0.025, 0.0125, 0.00625])
    assert [id(each) for each in groups[1][1]] == [id(each) for each in network.body.layer2.parameters()]


def test_what_is_never_trained_is_in_no_group():
    network = made()
    assert [scale for scale, _ in network.parameter_groups()] == [1.0]
    head = made(freeze="layer1", body_lr=0.5).parameter_groups()
    assert [(scale, len(own)) for scale, own in head] == [(1.0, 2), (0.5, 4)]


def test_a_body_that_can_be_had_again_is_not_saved():
    network = made()
    assert set(network.state_dict()) == {"head.1.weight", "head.1.bias", "body_digest"}
    other = copy.deepcopy(network)
    other.head[1].weight.data.zero_()
    other.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(other.eval()(x), network.eval()(x))


@pytest.mark.parametrize("arguments", [{"is_pretrained": False}, {"unfreeze_at": 3}, {"freeze": "layer1"}])
def test_any_other_body_is_saved(arguments):
    assert any(name.startswith("body.stem") for name in made(**arguments).state_dict())
    assert made(**arguments).why_not_once is not None


def test_a_head_is_not_put_on_another_body():
    saved = made().state_dict()
    other = made()
    other.register_buffer("body_digest", other.body_digest + 1)
    with pytest.raises(RuntimeError, match="it was trained on another body"):
        other.load_state_dict(saved)


def test_a_network_without_its_body_takes_features():
    network = made(units=[8])
    x = torch.randn(2, 3, 8, 8)
    expected, saved = network.eval()(x), set(network.state_dict())
    body = network.take_body()
    assert torch.equal(network(body(x)), expected)
    assert set(network.state_dict()) == saved
    assert len(list(network.parameters())) == 4
    whole = made(units=[8])
    whole.load_state_dict(network.state_dict())
    assert torch.equal(whole.eval()(x), expected)
