import pytest

from lightune.data.class_names import in_order, require_classes, several_labels
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
    require_classes([str(number * step) for number in range(most)], "key", regression="csv_regression")
    many = [str(number * step) for number in range(most + 1)]
    if step == 1:
        require_classes(many, "key")
    else:
        with pytest.raises(
            ConfigError, match=r"21 different numbers, .*; values are for data of your own, or for a table"
        ):
            require_classes(many, "key")
    with pytest.raises(ConfigError, match=r"different numbers, which are no classes; choose data=csv_regression"):
        require_classes(many, "key", regression="csv_regression")
