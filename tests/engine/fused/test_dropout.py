"""Masks drawn outside a network drop what the network would drop itself."""

import torch
from torch import nn

from lightune.engine.fused.dropout import DropoutMasks, dropout_layers


def network(p=0.5):
    return nn.Sequential(nn.Linear(6, 5), nn.Dropout(p) if p else nn.Identity(), nn.Linear(5, 2))


def masks_of(*probabilities, seeds):
    models = [network(p) for p in probabilities]
    return DropoutMasks(network(0.9), models, seeds, device="cpu", dtype=torch.float32)


def test_masks_are_those_that_a_member_draws_alone():
    masks = masks_of(0.5, 0.2, seeds=[3, 4])
    drawn = masks.draw([("1", torch.Size([7, 5]))])[0]
    for seed, p, mask in zip((3, 4), (0.5, 0.2), drawn, strict=True):
        torch.manual_seed(seed)
        assert torch.equal(nn.functional.dropout(torch.ones(7, 5), p), mask)


def test_a_member_without_the_layer_drops_nothing_and_draws_nothing():
    masks = masks_of(0.5, 0.0, seeds=[0, 0])
    before = masks.generators[1].get_state()
    assert masks.draw([("1", torch.Size([7, 5]))])[0][1].eq(1).all()
    assert torch.equal(masks.generators[1].get_state(), before)


def test_layers_are_found_in_the_order_of_their_use():
    masks = masks_of(0.5, seeds=[0])
    assert masks.names == ("1",)
    assert masks.find(lambda model: model.train()(torch.ones(3, 6))) == [("1", torch.Size([3, 5]))]


def test_the_masks_supplied_are_multiplied_with():
    masks = masks_of(0.5, seeds=[0])
    model = masks.model.train()
    masks.supply([torch.zeros(3, 5)])
    assert torch.equal(model(torch.ones(3, 6)), model[2].bias.expand(3, 2))
    assert not torch.equal(masks.model.eval()(torch.ones(3, 6)), model[2].bias.expand(3, 2))


def test_some_rows_are_drawn_for_alone_and_kept_alone():
    sites = [("1", torch.Size([4, 5]))]
    whole, some = masks_of(0.5, 0.5, 0.5, seeds=[0, 1, 2]), masks_of(0.5, 0.5, 0.5, seeds=[0, 1, 2])
    expected = whole.draw(sites)[0]
    assert torch.equal(some.draw(sites, [2])[0][0], expected[2])
    some.keep([1])
    assert torch.equal(some.draw(sites)[0], expected[1:2])


def test_a_member_that_is_admitted_has_its_own_seed_and_probability():
    masks = masks_of(0.5, 0.5, seeds=[0, 1])
    masks.add_members(1, network(0.2), 9)
    torch.manual_seed(9)
    assert torch.equal(masks.draw([("1", torch.Size([4, 5]))])[0][1], nn.functional.dropout(torch.ones(4, 5), 0.2))
    assert masks.accepts(network(0.7))
    assert not masks.accepts(nn.Sequential(nn.Dropout(0.1)))


def test_dropout_layers_are_named():
    assert dropout_layers(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout()))) == {"1.0"}
