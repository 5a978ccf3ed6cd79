import numpy as np
import pytest

from lightune.validation import Bootstrap, Rows

LABELS = np.array([0] * 100 + [1] * 60 + [2] * 40)


def resamples(n=5, labels=LABELS, count=200, seed=0, **arguments):
    return Bootstrap(n=n, **arguments).splits(Rows(count, labels), seed=seed)


@pytest.mark.parametrize("labels", [LABELS, None], ids=["classes", "values"])
def test_a_resample_is_as_large_as_the_rest_and_judged_by_what_it_left_out(labels):
    splits = resamples(labels=labels)
    assert len(splits) == 5
    for split in splits:
        rest = set(range(200)) - set(split.test)
        assert len(split.train) == len(rest) == 170
        assert set(split.val) == rest - set(split.train)
        assert len(set(split.val)) == len(split.val)


def test_samples_are_drawn_with_replacement_and_about_a_share_of_1_over_e_is_left_out():
    left_out = [len(split.val) / 1700 for split in resamples(n=20, labels=None, count=2000)]
    assert np.mean(left_out) == pytest.approx(np.exp(-1), abs=0.01)


def test_resamples_differ_from_each_other():
    assert len({tuple(split.train) for split in resamples(n=20)}) == 20


def test_a_stratified_resample_has_each_class_in_the_proportion_of_the_rest():
    for split in resamples():
        assert np.bincount(LABELS[split.train]).tolist() == [85, 51, 34]
    assert len({tuple(np.bincount(LABELS[split.train])) for split in resamples(stratify=False)}) > 1


def test_a_longer_series_of_resamples_begins_as_a_shorter_one():
    for short, long in zip(resamples(n=2), resamples(n=4), strict=False):
        assert np.array_equal(short.train, long.train)


def test_a_resample_that_leaves_nothing_out_is_refused():
    with pytest.raises(ValueError, match=r"^n: a resample of 1 sample leaves none to judge by"):
        Bootstrap(n=2).splits(Rows(3, official_test=2), seed=0)
