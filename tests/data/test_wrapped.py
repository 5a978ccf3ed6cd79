"""A loader that wraps another has its sizes, its order and its position."""

import torch

from lightune.data.loader import TensorLoader
from lightune.data.wrapped import WrappedLoader


def inner(**arguments):
    return TensorLoader(torch.arange(20.0).reshape(10, 2), torch.arange(10), batch_size=4, **arguments)


def test_sizes_are_those_of_the_inner_loader():
    plain, wrapped = inner(steps=2), WrappedLoader(inner(steps=2))
    assert (len(wrapped), wrapped.batches, wrapped.batch_size) == (len(plain), plain.batches, plain.batch_size)
    assert torch.equal(wrapped.served(), plain.served())


def test_before_it_has_given_anything_its_position_is_the_inner_loaders():
    wrapped = WrappedLoader(inner())
    next(iter(wrapped.order))
    assert wrapped.state_dict() == wrapped.order.state_dict() == {"epoch": 0, "batches": 1}


def test_a_position_is_loaded_into_the_inner_loader():
    wrapped = WrappedLoader(inner())
    wrapped.load_state_dict({"epoch": 0, "batches": 2})
    assert [targets.tolist() for _, targets in wrapped.order] == [[8, 9]]
