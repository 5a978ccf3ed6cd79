"""The batches of several members are those that each takes alone, in its own order."""

from functools import partial

import pytest
import torch
from fused_members import LargeImages, Spec

from lightune.augmentation import Augmentation
from lightune.engine.fused import data as fused_data
from lightune.engine.fused.data import RaggedBatch, StackedData, alike, share_samples
from lightune.validation import CrossValidation

SEEDS = (0, 0, 1, 2)


def assert_taken_alike(data, apart, epochs=2):
    """See that members together take the samples that each has taken alone, in the same order."""
    together = [[] for _ in apart]
    for epoch in range(epochs):
        data.epochs = [epoch] * len(apart)
        for batch in data.train():
            for members, part in batch.parts if isinstance(batch, RaggedBatch) else [(range(len(apart)), batch)]:
                for member, x in zip(members, part.x, strict=True):
                    together[member].append(x)
    for (watch, _), rows in zip(apart, together, strict=True):
        assert len(watch.rows) == len(rows)
        assert all(torch.equal(one, two) for one, two in zip(watch.rows, rows, strict=True))


@pytest.mark.parametrize(("size", "batches"), [(10, 11), (103, 1)], ids=["a rest", "a rest of one sample"])
def test_members_take_their_samples_in_the_order_they_take_alone(alone, size, batches):
    group = [Spec(seed, batch_size=size) for seed in SEEDS]
    apart = alone(group, 3, precision="32-true")
    data = StackedData([spec.member().data for spec in group])
    assert_taken_alike(data, apart, epochs=3)
    assert all(len(watch.rows) == 3 * batches for watch, _ in apart)


@pytest.mark.parametrize("size", [10, 5], ids=["a rest", "a rest of one sample"])
def test_folds_that_differ_in_size_take_their_samples_in_their_own_order(alone, size):
    group = [Spec(0, divided=partial(CrossValidation, k=4), fold=fold, batch_size=size) for fold in range(4)]
    apart = alone(group, 2, precision="32-true")
    data = StackedData([spec.member().data for spec in group])
    assert_taken_alike(data, apart)


VARIED = [
    Augmentation(flip=0.5, crop=0.2),
    Augmentation(rotate=20, brightness=0.5),
    None,
    Augmentation(auto=0.7),
]


@pytest.mark.parametrize("at_once", [1, 2**20])
@pytest.mark.parametrize("of_a_run", [{}, {"divided": partial(CrossValidation, k=4)}], ids=["trials", "folds"])
def test_members_vary_their_samples_as_they_do_alone(alone, of_a_run, at_once, monkeypatch):
    monkeypatch.setattr(fused_data, "_MOST_VARIED_AT_ONCE", at_once)
    group = [
        Spec(seed, augmentation=how, fold=place if of_a_run else 0, **of_a_run)
        for place, (seed, how) in enumerate(zip(SEEDS, VARIED, strict=True))
    ]
    apart = alone(group, 2, precision="32-true")
    data = StackedData([spec.member().data for spec in group])
    assert_taken_alike(data, apart)


def test_members_of_one_object_at_one_epoch_vary_their_samples_once():
    own = Spec(0, augmentation=VARIED[0]).member().data
    stacked = StackedData([own, own, own])
    stacked.epochs = [0, 0, 1]
    first = next(iter(stacked.train()))
    assert torch.equal(first.x[0], first.x[1])
    assert not torch.equal(first.x[0], first.x[2])
    varied = [stacked._varied._variations[0]]
    made = []
    stacked._varied._variations[0] = lambda raw, rows, epoch: made.append(epoch) or varied[0](raw, rows, epoch)
    for _ in stacked.train():
        pass
    assert sorted(set(made)) == [0, 1]
    assert len(made) == 2  # of the whole epoch at once


def test_folds_of_other_numbers_of_batches_are_refused():
    sizes = (20, 40)
    members = [Spec(batch_size=size).member() for size in sizes]
    with pytest.raises(ValueError, match="as many batches an epoch"):
        StackedData([member.data for member in members])


def test_members_of_one_object_share_its_tensors():
    data = Spec(0).member().data
    stacked = StackedData([data, data])
    assert stacked._train._inputs.shape[0] == data.sizes["train"]


def test_a_validation_part_of_members_that_differ_in_size_says_how_many_samples_count():
    data = [Spec(0, divided=partial(CrossValidation, k=4), fold=fold).member().data for fold in range(4)]
    sizes = [own.sizes["val"] for own in data]
    assert len(set(sizes)) > 1
    seen = [0] * 4
    for batch in StackedData(data).val():
        lengths = batch.lengths or [batch.x.shape[1]] * 4
        seen = [had + length for had, length in zip(seen, lengths, strict=True)]
    assert seen == sizes


def test_data_of_other_sizes_take_no_row():
    stacked = StackedData([Spec(0).member().data, Spec(1).member().data])
    assert stacked.accepts(Spec(2).member().data)
    other = Spec(2, batch_size=20).member().data
    assert not stacked.accepts(other)
    with pytest.raises(ValueError, match="of the others' sizes"):
        stacked.add_members({0: other})


def test_data_that_take_a_row_begin_with_their_first_epoch():
    stacked = StackedData([Spec(0).member().data, Spec(1).member().data])
    stacked.epochs = [3, 3]
    own = Spec(2).member().data
    stacked.add_members({1: own})
    assert stacked.epochs == [3, 0]
    first = next(iter(own.train_dataloader()))[0]
    assert torch.equal(next(iter(stacked.train())).x[1], first)


def test_rows_that_are_kept_keep_their_data_and_epochs():
    members = [Spec(seed).member() for seed in range(3)]
    stacked = StackedData([member.data for member in members])
    stacked.epochs = [1, 2, 3]
    stacked.keep([2, 0])
    assert stacked.epochs == [3, 1]
    orders = stacked.orders()
    alone = StackedData([members[2].data])
    alone.epochs = [3]
    assert torch.equal(orders[0], alone.orders()[0])


def test_large_samples_are_shared_and_small_ones_are_copied():
    large = LargeImages()
    assert not share_samples([Spec(0).member().data, Spec(1).member().data])
    divided = []
    for split in CrossValidation(k=4).splits(large.rows, seed=0):
        divided.append(large.undivided())
        divided[-1].divide(split, seed=0)
    assert share_samples(divided)
    assert not share_samples(divided[:1])


def test_places_of_equal_values_are_found_in_the_order_of_their_appearance():
    assert alike([5, 3, 5, 4, 3]) == {5: [0, 2], 3: [1, 4], 4: [3]}
