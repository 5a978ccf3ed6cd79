import numpy as np
import pytest

from lightune.validation import Holdout, Rows

LABELS = np.array([0] * 100 + [1] * 60 + [2] * 40)


def divide(holdout=None, labels=LABELS, samples=200, official_test=0, seed=0):
    (split,) = (holdout or Holdout()).splits(Rows(samples, labels, official_test), seed=seed)
    return split


def rows(split):
    return np.concatenate([split.train, split.val, split.test])


def same(one, other):
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in ("train", "val", "test"))


@pytest.mark.parametrize("official_test", [0, 30])
@pytest.mark.parametrize("labels", [LABELS, None], ids=["classes", "values"])
def test_every_sample_is_in_one_part_and_one_only(labels, official_test):
    assert sorted(rows(divide(labels=labels, official_test=official_test))) == list(range(200))


def test_the_parts_have_their_shares_of_the_whole():
    split = divide(Holdout(val_fraction=0.2, test_fraction=0.1))
    assert (len(split.train), len(split.val), len(split.test)) == (140, 40, 20)


def test_every_part_has_each_class_in_the_proportion_of_the_whole():
    split = divide(Holdout(val_fraction=0.2, test_fraction=0.1))
    assert np.bincount(LABELS[split.train]).tolist() == [70, 42, 28]
    assert np.bincount(LABELS[split.val]).tolist() == [20, 12, 8]
    assert np.bincount(LABELS[split.test]).tolist() == [10, 6, 4]


def test_without_stratification_proportions_are_left_to_chance():
    free = Holdout(val_fraction=0.2, test_fraction=0.1, stratify=False)
    found = {tuple(np.bincount(LABELS[divide(free, seed=seed).val])) for seed in range(5)}
    assert len(found) > 1
    assert all(sum(counts) == 40 for counts in found)


def test_the_same_seed_gives_the_same_division():
    assert same(divide(seed=7), divide(seed=7))


def test_another_seed_gives_another_division():
    one, other = divide(seed=7), divide(seed=8)
    for part in ("train", "val", "test"):
        assert not np.array_equal(getattr(one, part), getattr(other, part))


def test_samples_are_shuffled_before_they_are_divided_and_listed_in_order():
    split = divide(labels=None)
    for part in (split.train, split.val, split.test):
        assert part.tolist() == sorted(part)
        assert part.max() - part.min() >= len(part) + 20


def test_an_official_test_split_is_kept_and_the_validation_is_a_share_of_the_rest():
    split = divide(Holdout(val_fraction=0.25, test_fraction=0.5), official_test=40, labels=LABELS[::-1].copy())
    assert split.test.tolist() == list(range(160, 200))
    assert len(split.val) == 40
    assert len(split.train) == 120


def test_an_official_test_split_is_the_same_for_every_seed():
    one, other = divide(official_test=40, seed=1), divide(official_test=40, seed=2)
    assert np.array_equal(one.test, other.test)
    assert not np.array_equal(one.val, other.val)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"labels": np.arange(20) % 10, "samples": 20}, "test_fraction"),
        ({"labels": np.array([0] * 19 + [1]), "samples": 20}, "test_fraction"),
        ({"labels": None, "samples": 1}, "test_fraction"),
        ({"holdout": Holdout(val_fraction=0.5, test_fraction=0.5)}, "val_fraction"),
        ({"labels": np.arange(20) % 10, "samples": 20, "official_test": 5}, "val_fraction"),
    ],
    ids=["too few of each class", "a class of one", "one sample", "nothing left to train", "official test"],
)
def test_a_part_that_is_too_small_is_refused_by_the_name_of_its_fraction(arguments, key):
    with pytest.raises(ValueError, match=rf"^{key} leaves a part too small for \d+ samples? \("):
        divide(**arguments)


def test_no_group_is_divided_between_parts():
    groups = np.repeat(np.arange(40), 5)
    split = Holdout(groups="g").splits(Rows(200, np.arange(200) % 2, groups={"g": groups}), seed=0)[0]
    sides = [set(groups[part].tolist()) for part in (split.train, split.val, split.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 40


@pytest.mark.parametrize(("groups", "key"), [(1, "test_fraction"), (2, "val_fraction")])
def test_too_few_groups_for_a_part_are_said_to_be_so(groups, key):
    rows = Rows(20, np.arange(20) % 2, groups={"g": np.arange(20) % groups})
    rule = (
        rf"^{key} leaves a part too small for \d+ samples \(all of one group, or equal, which stay on one side\)$"
    )
    with pytest.raises(ValueError, match=rule):
        Holdout(groups="g").splits(rows, seed=0)


def test_an_official_validation_split_is_kept():
    split = Holdout().splits(Rows(100, official_val=20), seed=0)[0]
    assert split.val.tolist() == list(range(80, 100))
    assert set(split.test.tolist()) < set(range(80))
