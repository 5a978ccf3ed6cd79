import numpy as np
import pytest

from lightune.validation import Bootstrap, CrossValidation, Holdout, Rows
from lightune.validation.splits import cut

LABELS = np.array([0] * 100 + [1] * 60 + [2] * 40)
GROUPS = np.repeat(np.arange(40), 5)
WAYS = [Holdout(), CrossValidation(k=3, n_repeats=2), Bootstrap(n=3)]


def by_name(way):
    return type(way).__name__


@pytest.mark.parametrize("way", WAYS, ids=by_name)
@pytest.mark.parametrize("official_test", [0, 30])
@pytest.mark.parametrize("labels", [LABELS, None], ids=["classes", "values"])
def test_no_way_of_judging_lets_a_sample_serve_for_two_things(way, labels, official_test):
    for split in way.splits(Rows(200, labels, official_test), seed=3):
        used = [set(part.tolist()) for part in (split.train, split.val, split.test)]
        assert set.union(*used) == set(range(200))
        assert sum(map(len, used)) == 200


@pytest.mark.parametrize("way", WAYS, ids=by_name)
def test_every_fit_of_every_seed_has_the_test_part_of_the_test_seed(way):
    rows = Rows(200, LABELS)
    first, *others = [split for seed in (5, 6, 7) for split in way.splits(rows, seed=seed, test_seed=5)]
    assert len(first.test) == 30
    assert all(np.array_equal(split.test, first.test) for split in others)
    assert not np.array_equal(way.splits(rows, seed=6)[0].test, first.test)


@pytest.mark.parametrize("way", WAYS, ids=by_name)
def test_another_seed_divides_the_same_rest_otherwise(way):
    one, other = (way.splits(Rows(200, LABELS), seed=seed, test_seed=5)[0] for seed in (5, 6))
    assert not np.array_equal(one.val, other.val)


@pytest.mark.parametrize("way", WAYS, ids=by_name)
def test_the_same_seed_divides_the_same(way):
    one, other = (way.splits(Rows(200, LABELS), seed=2**32 - 1) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert all(np.array_equal(getattr(a, part), getattr(b, part)) for part in ("train", "val", "test"))


@pytest.mark.parametrize("way", WAYS, ids=by_name)
def test_an_official_test_split_stays_the_test_part(way):
    for split in way.splits(Rows(200, LABELS[::-1].copy(), official_test=40), seed=1):
        assert split.test.tolist() == list(range(160, 200))


def test_the_test_part_divides_no_group_either():
    rows = Rows(200, LABELS, groups={"patient": GROUPS})
    for split in CrossValidation(k=3, groups="patient").splits(rows, seed=0):
        assert not set(GROUPS[split.test]) & set(GROUPS[np.concatenate([split.train, split.val])])


def test_a_column_that_is_not_there_is_refused_with_those_that_are():
    rows = Rows(4, groups={"patient": np.arange(4), "clinic": np.arange(4)})
    assert rows.column(None) is None
    assert rows.column("clinic").tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"^groups must be a column .*\(there are: patient, clinic\), got ward$"):
        rows.column("ward")
    with pytest.raises(ValueError, match=r"\(there are: none\), got ward$"):
        Rows(4).column("ward")


def test_a_cut_takes_its_share_of_each_class_and_keeps_the_order():
    rows = np.arange(1000, 1200)
    kept, taken = cut(rows, LABELS, 0.25, seed=0, key="share")
    assert np.bincount(LABELS[taken - 1000]).tolist() == [25, 15, 10]
    assert sorted([*kept, *taken]) == rows.tolist()
    assert (np.diff(kept) > 0).all()
    assert (np.diff(taken) > 0).all()


@pytest.mark.parametrize("way", WAYS, ids=by_name)
def test_a_class_of_one_sample_is_refused_by_its_name(way):
    labels, names = LABELS.copy(), ("a", "b", "c", "ghost")
    labels[7] = 3
    rule = r"^test_fraction .*\(1 of 4 classes has a single sample: ghost; .* or set stratify=false\)$"
    with pytest.raises(ValueError, match=rule):
        way.splits(Rows(200, labels, classes=names), seed=0)


def test_a_target_of_numbers_that_is_taken_for_classes_is_told_in_a_line():
    with pytest.raises(ValueError, match=r"200 of 200 .*: 0, 1, 2 and 197 more; .* data for regression\)$"):
        Holdout().splits(Rows(200, np.arange(200)), seed=0)
