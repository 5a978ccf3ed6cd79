import numpy as np
import pytest
from sklearn.model_selection import TimeSeriesSplit

from lightune.validation import CrossValidation, Holdout, Rows
from lightune.validation.in_time import cut_latest, forward_chained

COUNT = 100


@pytest.fixture
def times():
    """A hundred different times in no order."""
    return np.random.default_rng(0).permutation(COUNT).astype(float)


def rows_at(times, **more):
    return Rows(len(times), np.arange(len(times)) % 2, times={"when": lambda: times}, **more)


def test_the_latest_rows_are_test_and_those_before_them_validation(times):
    (split,) = Holdout(val_fraction=0.2, test_fraction=0.1, order="when").splits(rows_at(times), seed=0)
    assert sorted(times[split.test]) == list(range(90, 100))
    assert sorted(times[split.val]) == list(range(70, 90))
    assert sorted(times[split.train]) == list(range(70))


def test_the_seed_and_equal_rows_have_no_say(times):
    copies = np.arange(COUNT) % 10
    one, other = (
        Holdout(order="when").splits(rows_at(times, copies=given), seed=seed)[0]
        for seed, given in ((0, None), (1, copies))
    )
    assert all(np.array_equal(getattr(one, part), getattr(other, part)) for part in ("train", "val", "test"))


def test_folds_are_judged_by_what_comes_next(times):
    splits = CrossValidation(k=4, test_fraction=0.2, order="when").splits(rows_at(times), seed=0)
    wanted = list(TimeSeriesSplit(4).split(range(80)))
    for split, (train, val) in zip(splits, wanted, strict=True):
        assert sorted(times[split.train]) == list(train)
        assert sorted(times[split.val]) == list(val)
        assert sorted(times[split.test]) == list(range(80, 100))


def test_rows_of_one_time_stay_on_one_side():
    times = np.repeat(np.arange(10.0), 10)
    for division in (Holdout(val_fraction=0.25, test_fraction=0.25, order="when"),
                     CrossValidation(k=3, test_fraction=0.25, order="when")):  # fmt: skip
        for split in division.splits(rows_at(times), seed=0):
            assert max(times[split.train]) < min(times[split.val])
            assert max(times[split.val]) < min(times[split.test])


def test_an_official_test_part_is_kept(times):
    (split,) = Holdout(val_fraction=0.1, order="when").splits(rows_at(times, official_test=30), seed=0)
    assert split.test.tolist() == list(range(70, 100))
    assert sorted(times[split.val]) == sorted(times[:70])[-7:]


@pytest.mark.parametrize(
    ("division", "why"),
    [
        (Holdout(order="gone"), r"order must be a column of dates or numbers \(there are: when\), got gone"),
        (Holdout(order="when", groups="g"), "order=when divides by time, and groups=g by groups; leave one out"),
        (CrossValidation(order="when", n_repeats=2), "n_repeats must be 1 where time divides, got 2"),
        (CrossValidation(order="when", k=85), "k must be less than the number of samples"),
    ],
)
def test_what_cannot_be_divided_by_time_is_refused(division, why, times):
    with pytest.raises(ValueError, match=why):
        division.splits(rows_at(times), seed=0)


def test_times_that_are_missing_or_all_the_same_are_refused(times):
    times[3] = np.nan
    with pytest.raises(ValueError, match="order must be known of every row, and when is missing in 1"):
        Holdout(order="when").splits(rows_at(times), seed=0)
    same = np.zeros(COUNT)
    with pytest.raises(ValueError, match="test_fraction leaves a part without samples"):
        cut_latest(np.arange(COUNT), same, 0.2, key="test_fraction")
    with pytest.raises(ValueError, match="k leaves a part without samples: 1 time"):
        forward_chained(np.arange(COUNT), same, 3)
