import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from lightune.validation import CrossValidation, Rows

LABELS = np.array([0] * 100 + [1] * 60 + [2] * 40)
GROUPS = np.random.RandomState(0).permutation(np.repeat(np.arange(40), 5))


def folds(labels=LABELS, seed=0, groups=None, **arguments):
    named = {} if groups is None else {"group": groups}
    way = CrossValidation(groups="group" if named else None, **arguments)
    return way.splits(Rows(200, labels, groups=named), seed=seed)


@pytest.mark.parametrize("k", [2, 5, 10])
def test_what_is_not_test_judges_once(k):
    splits = folds(k=k)
    assert len(splits) == k
    judged = np.concatenate([split.val for split in splits])
    assert sorted(judged) == sorted(set(range(200)) - set(splits[0].test))


def test_a_fold_has_each_class_in_the_proportion_of_the_rest():
    for split in folds(k=5):
        assert np.bincount(LABELS[split.val]).tolist() == pytest.approx([17, 10.2, 6.8], abs=1)
    found = {tuple(np.bincount(LABELS[split.val])) for split in folds(k=5, stratify=False)}
    assert len(found) > 2


def test_each_repetition_divides_anew_and_whole():
    splits = folds(k=4, n_repeats=3)
    assert len(splits) == 12
    divisions = [splits[first : first + 4] for first in (0, 4, 8)]
    rest = sorted(set(range(200)) - set(splits[0].test))
    for division in divisions:
        assert sorted(np.concatenate([split.val for split in division])) == rest
    assert len({tuple(division[0].val) for division in divisions}) == 3
    assert len({tuple(split.test) for split in splits}) == 1


@pytest.mark.parametrize("labels", [LABELS, None], ids=["classes", "values"])
@pytest.mark.parametrize("stratify", [True, False])
def test_no_group_is_divided_between_learning_and_judging(labels, stratify):
    for split in folds(labels=labels, groups=GROUPS, stratify=stratify, k=4):
        parts = [set(GROUPS[part]) for part in (split.train, split.val, split.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 40


@pytest.mark.parametrize("n_repeats", [1, 2])
@pytest.mark.parametrize(
    ("labels", "groups", "kind"),
    [
        (LABELS, None, StratifiedKFold),
        (None, None, KFold),
        (None, GROUPS, GroupKFold),
        (LABELS, GROUPS, StratifiedGroupKFold),
    ],
)
def test_the_folds_are_those_of_scikit_learn(labels, groups, kind, n_repeats):
    splits = folds(labels=labels, groups=groups, k=4, n_repeats=n_repeats, seed=7)
    rest = np.setdiff1d(np.arange(200), splits[0].test)
    expected = [
        rest[val]
        for seed in [7, *(int(np.random.SeedSequence([7, n]).generate_state(1)[0]) for n in range(1, n_repeats))]
        for _, val in kind(n_splits=4, shuffle=True, random_state=seed).split(
            rest,
            None if labels is None else labels[rest],
            None if groups is None else groups[rest],
        )
    ]
    for split, val in zip(splits, expected, strict=True):
        assert np.array_equal(split.val, val)


@pytest.mark.parametrize(
    ("labels", "groups", "what"),
    [
        (LABELS, None, r"samples of the rarest class \(34\), got 35"),
        (None, GROUPS, r"groups \(34\), got 35"),
        (LABELS, GROUPS, r"groups \(34\), got 35"),
    ],
)
def test_more_folds_than_can_be_filled_are_refused(labels, groups, what):
    assert len(folds(labels=None, k=35)) == 35
    with pytest.raises(ValueError, match=f"^k must be at most the number of {what}"):
        folds(labels=labels, groups=groups, k=35)


def test_as_many_folds_as_samples_leave_one_out():
    splits = folds(labels=None, k=170)
    assert {len(split.val) for split in splits} == {1}
    with pytest.raises(ValueError, match=r"^k must be at most the number of samples \(170\), got 171"):
        folds(labels=None, k=171)


def test_groups_need_their_column():
    with pytest.raises(ValueError, match=r"^groups must be a column of the data"):
        CrossValidation(groups="patient").splits(Rows(200, LABELS), seed=0)
