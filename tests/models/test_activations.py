from typing import get_args

import pytest
import torch
from torch.nn import functional

from lightune.models.activations import Activation, activation_module


@pytest.mark.parametrize("name", get_args(Activation))
def test_each_name_is_the_function_that_torch_calls_so(name):
    x = torch.linspace(-3, 3, 13)
    function = getattr(torch, name, None) or getattr(functional, name)
    torch.testing.assert_close(activation_module(name)(x), function(x))


def test_each_call_returns_a_module_of_its_own():
    assert activation_module("relu") is not activation_module("relu")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"activation must be one of relu, .*leaky_relu, got rleu"):
        activation_module("rleu")
