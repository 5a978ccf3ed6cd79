"""Every division sets the test part aside first; what divides the rest never sees it."""

import numpy as np
import pytest

from lightune.validation import Division, Rows

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
