"""Batches that are moved to a device one ahead are those of the loader, in its order."""

import torch

from lightune.data.loader import TensorLoader
from lightune.data.transfer import Prefetched


class Told:
    """Move nothing, and note when."""

    def __init__(self):
        self.events = []

    def start(self, batch):
        self.events.append(("start", batch[1][0].item()))
        return batch

    def finish(self, moving):
        self.events.append(("finish", moving[1][0].item()))
        return moving


def loader(**arguments):
    return TensorLoader(torch.arange(20.0).reshape(10, 2), torch.arange(10), batch_size=4, **arguments)


def test_the_next_batch_is_on_its_way_while_one_is_learnt_from():
    mover = Told()
    for _, targets in Prefetched(loader(), mover):
        mover.events.append(("learn", targets[0].item()))
    assert mover.events == [
        *[("start", 0), ("start", 4), ("finish", 0), ("learn", 0)],
        *[("start", 8), ("finish", 4), ("learn", 4), ("finish", 8), ("learn", 8)],
    ]


def test_batches_are_those_of_the_loader():
    plain, ahead = loader(shuffle=True, seed=3), Prefetched(loader(shuffle=True, seed=3), Told())
    assert (len(ahead), ahead.batches, ahead.batch_size) == (len(plain), plain.batches, plain.batch_size)
    assert ahead.sample_bytes == plain.sample_bytes
    assert torch.equal(ahead.served(), plain.served())
    for one, other in zip(plain, ahead, strict=True):
        assert all(torch.equal(left, right) for left, right in zip(one, other, strict=True))


def test_what_is_on_its_way_does_not_count_as_given_out():
    first = Prefetched(loader(shuffle=True), Told())
    whole = [targets for _, targets in loader(shuffle=True)]
    iterator = iter(first)
    next(iterator)
    assert first.state_dict() == {"epoch": 0, "batches": 1}
    second = Prefetched(loader(shuffle=True), Told())
    second.load_state_dict(first.state_dict())
    rest = [targets for _, targets in second]
    assert len(rest) == 2
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[1:], strict=True))
    assert second.state_dict() == {"epoch": 0, "batches": 3}
