import pytest

from lightune.data.class_names import (
    in_order,
    require_classes,
    require_no_positive,
    several_labels,
    with_positive_last,
)
from lightune.errors import ConfigError


def test_numbers_are_in_the_order_of_their_values():
    assert in_order({"10", "9", "-1.5"}) == ["-1.5", "9", "10"]
    assert in_order({"10", "9", "x"}) == ["10", "9", "x"]
    assert in_order({"nan", "10", "9"}) == ["10", "9", "nan"]


def test_names_that_differ_are_distinct():
    require_classes(["a", "b"], "key")
    with pytest.raises(ConfigError, match=r"key.*'a' and 'A', 'ß' and 'ss'; write them alike"):
        require_classes(["a", "A", "ß", "ss"], "key")


@pytest.mark.parametrize(
    ("names", "cell"),
    [
        (["x", "y", "x;y"], "x;y"),
        (["x", "x|y", "y|z", "z"], "x|y"),
        (["a, b", "b, c", "a", "c"], "a, b"),
        (["x;y", "z"], ""),
        (["Smith, John", "Smith, Ann"], ""),
        (["x;", "x", "y"], ""),
        (["a;b", "b;a"], "a;b"),
    ],
)
def test_a_cell_that_lists_several_classes_is_told_from_a_name(names, cell):
    assert several_labels(names) == cell
    if cell:
        with pytest.raises(ConfigError, match=r"target.*as in '.*a column of yes and no for each class"):
            require_classes(names, "data.target")
    else:
        require_classes(names, "data.target")


@pytest.mark.parametrize(("step", "most"), [(1, 100), (0.5, 20)])
def test_many_numbers_are_values(step, most):
    require_classes([str(number * step) for number in range(most)], "key", regression="csv_regression", whole=True)
    many = [str(number * step) for number in range(most + 1)]
    if step == 1:
        require_classes(many, "key")
    else:
        with pytest.raises(
            ConfigError, match=r"21 different numbers, .*; values are for data of your own, or for a table"
        ):
            require_classes(many, "key")
    with pytest.raises(ConfigError, match=r"different numbers, which are no classes; choose data=csv_regression"):
        require_classes(many, "key", regression="csv_regression", whole=True)


@pytest.mark.parametrize(
    ("names", "pos_label", "ordered"),
    [
        (["no", "yes"], None, ["no", "yes"]),
        (["no", "yes"], "yes", ["no", "yes"]),
        (["no", "yes"], "no", ["yes", "no"]),
        (["no", "yes"], False, ["yes", "no"]),  # as YAML reads no
        (["0", "1"], 0, ["1", "0"]),
        (["0.0", "1.0"], "0", ["1.0", "0.0"]),
        (["a", "b", "c"], None, ["a", "b", "c"]),
    ],
)
def test_the_positive_class_is_the_last_of_two(names, pos_label, ordered):
    assert with_positive_last(names, pos_label) == ordered


@pytest.mark.parametrize(
    ("names", "pos_label", "said"),
    [
        (["a", "b", "c"], "a", r"is for two classes, and there are 3, got a; set it to null"),
        (["no", "yes"], "y", r"must be one of the two classes \(churned has no, yes\), got y"),
        (["no", "yes"], 1, r"must be one of the two classes \(churned has no, yes\), got 1"),
    ],
)
def test_a_positive_class_that_is_none_is_refused(names, pos_label, said):
    with pytest.raises(ConfigError, match=f"data.pos_label  {said}"):
        with_positive_last(names, pos_label, subject="churned")
    with pytest.raises(ConfigError, match=r"data.pos_label  is for two classes, and values are predicted, got"):
        require_no_positive(pos_label)
    require_no_positive(None)
