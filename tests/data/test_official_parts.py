import numpy as np
import pytest

from lightune.data.official_parts import by_parts, part_named, parts_in_column, untrained
from lightune.errors import ConfigError


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("train", "train"),
        (" Training ", "train"),
        ("DEV", "val"),
        ("valid", "val"),
        ("test", "test"),
        ("tests", None),
    ],
)
def test_parts_have_the_usual_names(word, part):
    assert part_named(word) == part


def test_a_column_names_the_part_of_each_row():
    assert parts_in_column("split", ["train", "TEST", "dev", "train"]).tolist() == [0, 2, 1, 0]
    with pytest.raises(ConfigError, match=r"data.split +where must hold train, val or test, got 'a', 'b'"):
        parts_in_column("where", ["b", "train", "a", "b"])


def test_rows_stand_by_their_parts_and_as_they_were_within_them():
    part = np.array([2, 0, 1, 0, 2, 0])
    order, val, test = by_parts(np.array([0, 1, 2, 4, 5]), part)
    assert (order.tolist(), val, test) == ([1, 5, 2, 0, 4], 1, 2)
    order, val, test = by_parts(np.array([3, 1]), None)
    assert (order.tolist(), val, test) == ([3, 1], 0, 0)


def test_classes_that_only_official_parts_hold_are_told():
    told = [("classes", "no text to train on is of c, d")]
    assert list(untrained([0, 1, 0, 2, 3], ["a", "b", "c", "d"], 2, counted="text")) == told
    assert list(untrained([0, 1, 2, 2], ["a", "b", "c"], 1)) == []
    assert list(untrained([0, 1, 2, 2], ["a", "b", "c", "d"], 0)) == list(untrained([7, 8], [], 1)) == []
