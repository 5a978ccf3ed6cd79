"""Folds of data that divide themselves, and their fingerprint."""

import pytest
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

from lightune.data.indexed import IndexedData, fingerprint_of
from lightune.validation import CrossValidation


class Points(LightningDataModule):
    num_classes = 3

    def __init__(self, shift=0.0):
        super().__init__()
        inputs, targets = torch.arange(30.0).unsqueeze(1) + shift, torch.arange(30) % 3
        self.whole = TensorDataset(inputs, targets)
        self.parts = random_split(self.whole, [12, 9, 9], generator=torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.parts[0], 4, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], 5)

    def test_dataloader(self):
        return DataLoader(self.parts[2], 9)


class Untested(Points):
    test_dataloader = LightningDataModule.test_dataloader


def split(data, k=3):
    return CrossValidation(k=k).splits_of_repeat(data.rows, 0, seed=0)


def served(loader):
    return sorted(torch.cat([x.flatten() for x, _ in loader]).tolist())


def test_every_sample_that_is_not_test_judges_once_and_no_test_sample_is_ever_seen():
    own = Points()
    data = IndexedData(own)
    judged = []
    for each in split(data):
        data.divide(each, seed=0)
        train, val = served(data.train_dataloader()), served(data.val_dataloader())
        assert len(train) + len(val) == 21
        assert not set(train) & set(val)
        judged += val
    test = {own.whole.tensors[0][place].item() for place in own.parts[2].indices}
    assert sorted(judged) == sorted(set(map(float, range(30))) - test)
    assert served(data.test_dataloader()) == sorted(test)


def test_folds_have_the_classes_in_their_proportions():
    data = IndexedData(Points())
    for each in split(data):
        counts = torch.bincount(torch.from_numpy(data.rows.labels[each.val]), minlength=3)
        assert counts.max() - counts.min() <= 2


def test_batches_stay_the_modules_own_and_their_order_is_that_of_the_seed():
    data = IndexedData(Points())
    data.divide(split(data)[0], seed=1)
    first, again = (torch.cat([x for x, _ in data.train_dataloader()]) for _ in range(2))
    assert torch.equal(first, again)
    assert [len(x) for x, _ in data.val_dataloader()] == [5, 2]
    data.divide(split(data)[0], seed=2)
    assert not torch.equal(first, torch.cat([x for x, _ in data.train_dataloader()]))


def test_what_the_module_tells_is_told():
    assert IndexedData(Points()).num_classes == 3
    assert not hasattr(IndexedData(Points()), "no_such_thing")


class Stream(IterableDataset):
    def __iter__(self):
        yield 0


class Numbers(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, place):
        return place


@pytest.mark.parametrize(
    ("loader", "said"),
    [
        (DataLoader(Stream()), "it returns a dataset without numbers, Stream"),
        ([DataLoader(Numbers())], "it returns a list"),
        (DataLoader(Numbers(), sampler=WeightedRandomSampler([1.0, 1.0], 2)), "train_dataloader has a sampler of"),
    ],
)
def test_what_cannot_be_divided_anew_is_refused_with_what_to_do(loader, said):
    own = Points()
    own.train_dataloader = lambda: loader
    with pytest.raises(ValueError, match=rf"Points divides itself, and can.* {said}"):
        IndexedData(own)


def test_samples_that_are_made_when_they_are_asked_for_have_no_classes_to_keep():
    own = Points()
    own.train_dataloader = lambda: DataLoader(Numbers(), 2)
    assert IndexedData(own).rows.labels is None


def test_tensors_have_a_fingerprint_which_changes_with_them():
    assert fingerprint_of(Points()) == fingerprint_of(Points()) == fingerprint_of(IndexedData(Points()))
    assert fingerprint_of(Points()) != fingerprint_of(Points(shift=1.0))
    assert fingerprint_of(Untested()) not in (None, fingerprint_of(Points()))
    own = Points()
    own.train_dataloader = lambda: DataLoader(Numbers(), 2)
    assert fingerprint_of(own) is None
