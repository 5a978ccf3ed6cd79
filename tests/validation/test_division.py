"""Every division sets the test part aside first; what divides the rest never sees it."""

import numpy as np
import pytest

from lightune.validation import Bootstrap, CrossValidation, Division, Holdout, Rows

ROWS = Rows(100, labels=np.arange(100) % 4)


class Halves(Division):
    """The first half learns, the second judges; notes what it was given."""

    def divide(self, rest, rows, *, seed):
        self.given = rest
        half = len(rest) // 2
        return [(rest[:half], rest[half:])]


def division(**how):
    return Halves(**{"stratify": True, "test_fraction": 0.2} | how)


def test_the_test_part_is_in_no_other():
    halves = division()
    [split] = halves.splits(ROWS, seed=0)
    assert len(split.test) == 20
    assert not set(split.test) & set(halves.given)
    assert sorted([*split.train, *split.val, *split.test]) == list(range(100))


def test_the_test_part_has_each_class_in_its_proportion():
    [split] = division().splits(ROWS, seed=0)
    assert np.bincount(ROWS.labels[split.test]).tolist() == [5, 5, 5, 5]


@pytest.mark.parametrize("stratify", [True, False])
def test_strata_are_classes_only_if_they_are_asked_for(stratify):
    strata = division(stratify=stratify).strata_of(ROWS, np.arange(10))
    assert (strata is not None) == stratify
    assert division().strata_of(Rows(100), np.arange(10)) is None


def test_an_official_test_part_is_kept():
    [split] = division().splits(Rows(100, labels=ROWS.labels, official_test=7), seed=0)
    assert split.test.tolist() == list(range(93, 100))


def test_repeats_share_one_test_part():
    first, second = (division().splits(ROWS, seed=seed, test_seed=5)[0] for seed in (0, 1))
    assert first.test.tolist() == second.test.tolist()
    assert first.test.tolist() != division().splits(ROWS, seed=0)[0].test.tolist()


@pytest.mark.parametrize(
    ("how", "seeds"),
    [
        ({}, (7, 8)),
        ({"resplit": True}, (7, 8)),
        ({"resplit": False}, (7, 7)),
        ({"split_seed": 3}, (3, 4)),
        ({"split_seed": 0, "resplit": False}, (0, 0)),
        ({"split_seed": 2**32 - 1}, (2**32 - 1, 0)),
    ],
)
def test_repeats_divide_by_seeds_of_their_own_and_the_test_part_by_the_first(how, seeds):
    divided = Holdout(**how)
    for repeat, seed in enumerate(seeds):
        [found] = divided.splits_of_repeat(ROWS, repeat, seed=7)
        [wanted] = Holdout().splits(ROWS, seed=seed, test_seed=seeds[0])
        for part in ("train", "val", "test"):
            assert getattr(found, part).tolist() == getattr(wanted, part).tolist()


@pytest.mark.parametrize("kind", [Holdout, CrossValidation, Bootstrap])
def test_a_seed_of_the_division_takes_the_place_of_the_runs(kind):
    one, other = (kind(split_seed=3).splits_of_repeat(ROWS, 0, seed=seed) for seed in (0, 1))
    assert [each.val.tolist() for each in one] == [each.val.tolist() for each in other]
    anew = kind(resplit=True).splits_of_repeat(ROWS, 0, seed=1)
    assert [each.val.tolist() for each in one] != [each.val.tolist() for each in anew]


def test_dividing_by_each_seed_and_by_one_is_refused():
    with pytest.raises(ValueError, match="resplit=true divides by each seed, and split_seed=0 by one; leave one"):
        Holdout(split_seed=0, resplit=True)
