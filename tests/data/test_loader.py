from itertools import chain

import pytest
import torch

from lightune.data.loader import TensorLoader, batches_of, epoch_seed, in_minibatches


def loader(*, samples=10, epoch=0, **arguments):
    inputs = torch.arange(samples * 2.0).reshape(samples, 2)
    return TensorLoader(inputs, torch.arange(samples), batch_size=4, **arguments, epoch=lambda: epoch)


def order(**arguments):
    return torch.cat([targets for _, targets in loader(**arguments)]).tolist()


def test_without_shuffling_samples_come_as_they_lie():
    assert order() == list(range(10))
    assert order(epoch=3) == list(range(10))


def test_the_last_batch_may_be_smaller():
    for shuffle in (False, True):
        batches = loader(shuffle=shuffle)
        assert [len(targets) for _, targets in batches] == [4, 4, 2]
        assert len(batches) == 3


def test_a_single_sample_that_is_left_over_joins_the_batch_before_it():
    for shuffle in (False, True):
        batches = loader(samples=9, shuffle=shuffle)
        assert [len(targets) for _, targets in batches] == [4, 5]
        assert len(batches) == 2
    assert sorted(order(samples=9, shuffle=True)) == list(range(9))
    assert [len(targets) for _, targets in loader(samples=9, steps=2)] == [9]


@pytest.mark.parametrize(("samples", "size"), [(9, 4), (10, 4), (8, 4), (3, 1), (4, 4), (5, 4)])
def test_a_chunk_is_divided_into_the_batches_it_is_made_of(samples, size):
    chunk = torch.arange(samples).reshape(-1, 1), torch.arange(samples)
    apart = [targets.tolist() for _, targets in TensorLoader(*chunk, batch_size=size)]
    assert [targets.tolist() for _, targets in in_minibatches(chunk, size)] == apart


@pytest.mark.parametrize(
    ("samples", "size", "processes", "batches"),
    [(97, 8, 1, (12, 8)), (98, 8, 1, (13, 2)), (3, 1, 1, (3, 1)), (1, 8, 1, (1, 1)), (10, 4, 2, (2, 1))],
)
def test_the_number_of_batches_and_the_least_of_their_samples(samples, size, processes, batches):
    assert batches_of(samples, size, processes) == batches


def test_batches_that_divide_evenly_leave_no_empty_one():
    assert [len(targets) for _, targets in loader(samples=8)] == [4, 4]
    assert len(loader(samples=8)) == 2


def test_every_sample_is_taken_once_an_epoch():
    for epoch in range(3):
        assert sorted(order(shuffle=True, epoch=epoch)) == list(range(10))


def test_inputs_stay_with_their_targets():
    for inputs, targets in loader(shuffle=True, seed=5):
        torch.testing.assert_close(inputs[:, 0], targets * 2.0)


def test_the_order_depends_on_the_seed_and_the_epoch_alone():
    torch.manual_seed(1)
    first = order(shuffle=True, seed=3, epoch=2)
    torch.manual_seed(2)
    torch.rand(7)
    assert order(shuffle=True, seed=3, epoch=2) == first


def test_an_order_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    order(shuffle=True)
    assert torch.equal(torch.rand(3), expected)


def test_each_epoch_and_each_seed_has_an_order_of_its_own():
    orders = {tuple(order(shuffle=True, seed=seed, epoch=epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_one_loader_takes_a_new_order_each_epoch():
    epoch = 0
    batches = TensorLoader(
        torch.zeros(10, 1), torch.arange(10), batch_size=10, shuffle=True, seed=3, epoch=lambda: epoch
    )
    first = [targets.tolist() for _, targets in batches]
    epoch = 1
    assert [targets.tolist() for _, targets in batches] == [order(shuffle=True, seed=3, epoch=1)]
    epoch = 0
    assert [targets.tolist() for _, targets in batches] == first


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_no_epoch_of_one_seed_is_an_epoch_of_its_neighbour(seed):
    here = {epoch_seed(seed, epoch) for epoch in range(1000)}
    there = {epoch_seed(seed + 1, epoch) for epoch in range(1000)}
    assert len(here) == len(there) == 1000
    assert not here & there
    assert all(0 <= number < 2**63 for number in here | there)


def test_a_batch_size_beyond_the_samples_makes_one_batch():
    batches = TensorLoader(torch.zeros(3, 1), torch.arange(3), batch_size=1000)
    assert (len(batches), batches.batch_size) == (1, 3)
    assert [len(targets) for _, targets in batches] == [3]


SHARED = [(10, 4, 2), (11, 4, 2), (9, 4, 2), (17, 4, 4), (16, 2, 3), (7, 3, 2), (3, 1, 3), (5, 64, 3), (101, 8, 4)]


def shares(samples, batch_size, processes, *, shuffle=True, epoch=1):
    """Return the batches of targets that each process is given."""
    loaders = [
        TensorLoader(
            torch.arange(samples * 2.0).reshape(samples, 2),
            torch.arange(samples),
            batch_size=batch_size,
            shuffle=shuffle,
            seed=3,
            epoch=lambda: epoch,
            process=process,
            processes=processes,
        )
        for process in range(processes)
    ]
    given = [[targets.tolist() for _, targets in loader] for loader in loaders]
    assert [len(batches) for batches in given] == [len(loader) for loader in loaders]
    return given


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("samples", "batch_size", "processes"), SHARED)
def test_processes_share_every_sample_once_in_as_many_batches_each(samples, batch_size, processes, shuffle):
    given = shares(samples, batch_size, processes, shuffle=shuffle)
    assert len({len(batches) for batches in given}) == 1
    assert sorted(row for batches in given for batch in batches for row in batch) == list(range(samples))
    assert all(batch for batches in given for batch in batches)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("samples", "batch_size", "processes"), [(10, 4, 2), (16, 2, 3), (101, 8, 4), (12, 2, 3)])
def test_batches_of_all_processes_together_are_those_of_one(samples, batch_size, processes, shuffle):
    given = shares(samples, batch_size, processes, shuffle=shuffle)
    together = [sorted(chain(*batches)) for batches in zip(*given, strict=True)]
    (alone,) = shares(samples, batch_size * processes, 1, shuffle=shuffle)
    assert together == [sorted(batch) for batch in alone]


def test_a_rest_that_is_too_small_to_be_shared_joins_the_batch_before_it():
    given = shares(17, 2, 4)  # two batches of eight, and one sample
    assert [[len(batch) for batch in batches] for batches in given] == [[2, 3], [2, 2], [2, 2], [2, 2]]


def test_more_processes_than_samples_are_refused():
    with pytest.raises(ValueError, match="2 samples cannot be shared by 3 processes"):
        TensorLoader(torch.zeros(2, 1), torch.zeros(2), batch_size=1, processes=3)


@pytest.mark.parametrize(("samples", "batch_size", "processes"), SHARED)
def test_a_process_knows_the_places_of_what_it_is_served(samples, batch_size, processes):
    given = shares(samples, batch_size, processes, shuffle=False)
    for process, batches in enumerate(given):
        served = TensorLoader(
            torch.zeros(samples, 1),
            torch.arange(samples),
            batch_size=batch_size,
            process=process,
            processes=processes,
        ).served()
        assert served.tolist() == list(chain(*batches))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_loader_goes_on_in_the_middle_of_the_epoch_it_was_cut_off_in(shuffle, processes):
    epoch = 2

    def fresh():
        inputs = torch.zeros(30, 1)
        return TensorLoader(
            inputs,
            torch.arange(30),
            batch_size=4,
            shuffle=shuffle,
            seed=1,
            epoch=lambda: epoch,
            processes=processes,
        )

    def rest(loader):
        return [targets.tolist() for _, targets in loader]

    whole, cut = rest(fresh()), fresh()
    batches = iter(cut)
    for _ in range(3):
        next(batches)
    assert cut.state_dict() == {"epoch": 2, "batches": 3}
    other = fresh()
    other.load_state_dict(cut.state_dict())
    assert rest(other) == whole[3:]
    assert other.state_dict() == {"epoch": 2, "batches": len(whole)}
    epoch = 3
    assert rest(other) == rest(fresh())
    assert len(rest(other)) == len(whole)
