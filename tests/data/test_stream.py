"""A stream gives the batches that lie ready otherwise, prepared by this process or by others."""

import pytest
import torch

from lightune.data.loader import TensorLoader
from lightune.data.scaling import fit_scaling
from lightune.data.stream import StreamLoader

INPUTS, TARGETS = torch.arange(30, dtype=torch.uint8).reshape(10, 3), torch.arange(10)
SCALER = fit_scaling(INPUTS.float(), "standard")


def stream(workers=0, **arguments):
    order = TensorLoader(torch.arange(10), TARGETS, batch_size=4, **arguments)
    return StreamLoader(INPUTS, TARGETS, SCALER, order=order, num_workers=workers, pin_memory=False)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_scaled_samples_in_memory(workers):
    ready = TensorLoader(SCALER(INPUTS.float()), TARGETS, batch_size=4, shuffle=True, seed=3)
    streamed = stream(workers, shuffle=True, seed=3)
    try:
        for (x, target), (own_x, own_target) in zip(ready, streamed, strict=True):
            assert torch.equal(own_target, target)
            torch.testing.assert_close(own_x, x)
    finally:
        streamed.close()


def test_what_is_prepared_ahead_does_not_count_as_given_out():
    streamed = stream()
    iterator = iter(streamed)
    next(iterator)
    assert streamed.state_dict() == {"epoch": 0, "batches": 1}
    again = stream()
    again.load_state_dict(streamed.state_dict())
    assert [target.tolist() for _, target in again] == [[4, 5, 6, 7], [8, 9]]


def test_its_samples_count_as_float32_whatever_they_were_read_as():
    assert stream().sample_bytes == 3 * 4


def test_a_closed_stream_starts_anew():
    streamed = stream(1)
    first = [target.tolist() for _, target in streamed]
    streamed.close()
    assert [target.tolist() for _, target in streamed] == first
    streamed.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_that_is_prepared_in_parts_is_the_same(workers, monkeypatch):
    whole = [inputs for inputs, _ in stream()]
    monkeypatch.setattr("lightune.data.stream._BYTES_TOGETHER", 1)  # a sample at a time
    parts = stream(workers)
    assert all(torch.equal(*pair) for pair in zip([inputs for inputs, _ in parts], whole, strict=True))
    parts.close()
