import numpy as np
import pytest
from sklearn import datasets

from lightune.data.leaks import crossing_groups, telling_columns

CHANCE = np.random.default_rng(0)
CLASSES = CHANCE.integers(0, 2, 200)
NOISE = CHANCE.normal(size=200)
WEAK = CLASSES + CHANCE.normal(size=200)


def told(columns, targets=CLASSES, *, numbers=None, classes=2):
    raw = np.stack(columns, axis=1).astype(float)
    names = [f"c{place}" for place in range(len(columns))]
    numbers = len(columns) if numbers is None else numbers
    found = telling_columns(raw, targets, names, numbers=numbers, num_classes=classes)
    return [each.name for each in found]


def test_a_number_that_orders_the_classes_is_told_whichever_way():
    assert told([NOISE, CLASSES + NOISE / 10, WEAK]) == ["c1"]
    assert told([-(CLASSES + NOISE / 10), WEAK]) == ["c0"]


def test_a_category_that_stands_for_the_target_is_told_with_its_scores():
    raw = np.stack([NOISE, WEAK, 1 - CLASSES], axis=1)
    (found,) = telling_columns(raw, CLASSES, ["a", "b", "alive"], numbers=2, num_classes=2)
    assert (found.name, found.score) == ("alive", 1)
    assert 0.6 < found.next < 0.9


def test_what_is_missing_may_tell_all():
    boat = np.where(CLASSES == 1, NOISE, np.nan)
    assert told([boat, WEAK]) == ["c0"]


def test_a_category_with_a_value_for_each_row_tells_nothing_of_other_rows():
    assert told([NOISE, np.arange(200)], numbers=1) == []


def test_good_columns_of_which_there_are_many_are_none_of_it():
    cancer = datasets.load_breast_cancer()
    assert told(list(cancer.data.T), cancer.target) == []


def test_the_middle_of_three_classes_is_told_by_what_does_not_order_them():
    classes = np.arange(300) % 3
    column = np.array([0.0, 5.0, -5.0])[classes] + CHANCE.normal(size=300) / 10
    assert told([column, CHANCE.normal(size=300)], classes, classes=3) == ["c0"]


def test_values_are_told_by_their_order():
    values = NOISE + CHANCE.normal(size=200)
    assert told([NOISE, np.exp(-values)], values, classes=0) == ["c1"]
    assert told([NOISE, WEAK], values, classes=0) == []


@pytest.mark.parametrize("rows", [0, 1, 29])
def test_few_rows_and_single_columns_say_nothing(rows):
    assert told([CLASSES[:rows], NOISE[:rows]], CLASSES[:rows]) == []
    assert told([CLASSES], CLASSES) == []
    assert told([CLASSES, NOISE], np.zeros(200, dtype=int)) == []


def test_groups_in_more_than_one_part_are_counted():
    groups = {"patient": np.array([0, 0, 1, 1, 2, 2]), "site": np.array([0, 0, 0, 1, 1, 1])}
    parts = {"train": np.array([0, 1, 2]), "val": np.array([3, 4]), "test": np.array([5])}
    assert dict(crossing_groups(groups, parts)) == {"patient": 2, "site": 1}
    whole = {"train": np.array([0, 1, 2, 3]), "test": np.array([4, 5])}
    assert list(crossing_groups({"patient": groups["patient"]}, whole)) == []
