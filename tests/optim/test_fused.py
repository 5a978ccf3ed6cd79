"""An optimizer is made in its fused form, unless it has none or somebody said how it computes."""

from functools import partial

import pytest
import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from lightune.optim.fused import fused


def made(factory):
    return fused(factory)([torch.nn.Parameter(torch.zeros(2))])


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_the_fused_form_has_the_same_numbers(kind):
    group = made(partial(kind, lr=0.5)).param_groups[0]
    assert (group["lr"], group["fused"]) == (0.5, True)


@pytest.mark.parametrize("kind", [Adagrad, RMSprop])
def test_others_stay_as_they_are(kind):
    factory = partial(kind, lr=0.5)
    assert fused(factory) is factory


@pytest.mark.parametrize("said", [{"fused": False}, {"foreach": True}, {"capturable": True}, {"foreach": False}])
def test_who_says_how_to_compute_is_followed(said):
    factory = partial(AdamW, lr=0.5, **said)
    assert fused(factory) is factory


def test_a_factory_of_ones_own_is_called_as_it_is():
    def factory(parameters):
        return AdamW(parameters, lr=0.1)

    assert fused(factory) is factory
