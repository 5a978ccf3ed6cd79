import pytest
import torch

from lightune import compose
from lightune.engine import batch_finder
from lightune.engine.batch_finder import find_batch_size
from lightune.run import prepare


@pytest.fixture
def search(tmp_path):
    parts = prepare(compose(["trainer=cpu", "data=wine", "model.units=32", f"output_root={tmp_path}"]))
    before = {name: value.clone() for name, value in parts.task.state_dict().items()}
    whole = parts.data.samples.inputs[:124], parts.data.samples.targets[:124]

    def look(free, *, start=8, **how):
        def batches(size):
            return [tuple(part[:size] for part in whole)]

        state = torch.get_rng_state()
        found = find_batch_size(
            parts.task, batches, parts.trainer, start=start, seed=0, free=lambda device: free, **how
        )
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(value, before[name]) for name, value in parts.task.state_dict().items())
        return found

    return look


def test_sizes_double_until_one_is_refused(search):
    found = search(10**9, refusal=lambda size: "is odd enough" if size > 64 else None)
    assert found.sizes == [8, 16, 32, 64]
    assert (found.found, found.why) == (64, "128 is odd enough")
    assert found.limit == 5 * 10**8


def test_what_a_step_keeps_grows_with_its_batch(search):
    found = search(10**9, refusal=lambda size: "no" if size > 64 else None)
    steps = [more - less for less, more in zip(found.bytes, found.bytes[1:], strict=False)]
    assert all(each > 0 for each in steps)
    assert steps[2] == pytest.approx(2 * steps[1], rel=0.1)


def test_the_largest_that_fits_into_memory_is_found(search):
    sizes = search(10**9, refusal=lambda size: "no" if size > 64 else None)
    of_16, of_32 = sizes.bytes[1], sizes.bytes[2]
    found = search(2 * (of_32 - 1))
    assert found.found == 16
    assert found.bytes[-1] == of_16
    assert found.why == "32 does not fit into memory"


def test_a_size_that_does_not_fit_is_halved(search):
    sizes = search(10**9, refusal=lambda size: "no" if size > 64 else None)
    found = search(2 * (sizes.bytes[1] + 1), start=64)
    assert found.found == 16
    assert found.sizes == [16, 32, 64]


def test_too_little_memory_for_one_sample_is_an_error(search):
    with pytest.raises(ValueError, match=r"not even one sample fits into memory: 0\.0 MB may be used"):
        search(10, start=2)


def test_an_error_of_the_allocator_is_a_size_that_does_not_fit(search, monkeypatch):
    measure = batch_finder._bytes_of_step

    def fails(steps, batch, device):
        if len(batch[1]) > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return measure(steps, batch, device)

    monkeypatch.setattr(batch_finder, "_bytes_of_step", fails)
    assert search(10**9).found == 16
