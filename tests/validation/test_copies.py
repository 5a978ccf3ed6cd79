import numpy as np
import pytest

from lightune.validation import Bootstrap, CrossValidation, Holdout, Rows
from lightune.validation.copies import one_of_each

COPIES = np.arange(100)
COPIES[[3, 50, 97]] = 0
COPIES[20] = 21
LABELS = np.arange(100) % 2


def parts(split):
    return split.train, split.val, split.test


@pytest.mark.parametrize("way", [Holdout(), CrossValidation(k=3), Bootstrap(n=3), Holdout(stratify=False)])
def test_equal_samples_stand_on_one_side_of_each_split(way):
    for split in way.splits(Rows(100, LABELS, copies=COPIES), seed=1):
        sides = [set(COPIES[part].tolist()) for part in parts(split)]
        assert sum(map(len, sides)) == len(set.union(*sides))
        assert set(np.concatenate(parts(split)).tolist()) == set(range(100))


def test_without_equal_samples_the_division_is_as_ever():
    plain = Holdout().splits(Rows(100, LABELS), seed=1)[0]
    same = Holdout().splits(Rows(100, LABELS, copies=np.arange(100)), seed=1)[0]
    assert all(np.array_equal(*pair) for pair in zip(parts(plain), parts(same), strict=True))


def test_a_resample_holds_equal_samples_equally_often():
    split = Bootstrap(n=2).splits(Rows(100, LABELS, copies=COPIES), seed=0)[0]
    drawn = np.bincount(split.train, minlength=100)
    assert drawn[0] == drawn[3] == drawn[50] == drawn[97]
    assert drawn.max() > 1


def test_groups_that_share_equal_samples_are_one_group():
    groups = np.arange(100) // 10
    rows = Rows(100, LABELS, groups={"g": groups}, copies=COPIES)
    for split in CrossValidation(k=3, groups="g").splits(rows, seed=0):
        for part in parts(split):
            inside = set(groups[part].tolist())
            assert len(inside & {0, 5, 9}) in (0, 3)
            assert len(inside & {2}) == (2 in inside)


def test_official_parts_are_kept_and_equal_samples_across_them_are_two_sets():
    rows = Rows(100, LABELS, official_test=10, official_val=5, copies=COPIES)
    reduced, whole = one_of_each(rows)
    assert (reduced.official_test, reduced.official_val) == (10, 5)
    split = Holdout().splits(rows, seed=0)[0]
    assert split.test.tolist() == list(range(90, 100))
    assert split.val.tolist() == list(range(85, 90))
    assert whole(np.array([0])).tolist() == [0, 3, 50]
