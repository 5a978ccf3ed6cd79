from lightune.study.space.assignments import is_one_of, keys_of, mappings_of
from lightune.study.space.dimensions import Choice, Interval


def test_a_dimension_sets_its_key_and_those_of_its_mappings():
    choice = Choice("+model", ("cnn", "{units:1}", "{layers:2}"))
    assert keys_of(choice) == {"model", "model.units", "model.layers"}
    assert mappings_of(choice) == [{"units": 1}, {"layers": 2}]
    assert keys_of(Interval("++x", 0, 1)) == {"x"}
    assert mappings_of(Interval("x", 0, 1)) == []


def test_values_are_compared_with_their_types():
    assert is_one_of(1, [0, 1])
    assert not is_one_of(1, [True, 1.0, "1"])
