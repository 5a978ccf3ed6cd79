from lightune.data.group_column import group_problems, groups_in_column, numbered


def test_equal_names_are_one_group_and_no_name_is_one_of_its_own():
    assert numbered(["b", "", "a", "b", ""]).tolist() == [3, 0, 2, 3, 1]


def test_rows_of_equal_cells_are_a_group_and_missing_ones_are_not():
    table = {"who": [" ann", "?", "bob", "ann", "?"], "age": list("12345")}
    groups = groups_in_column("who", table, ["?"])["who"].tolist()
    assert (groups[0], len(set(groups))) == (groups[3], 4)
    assert groups_in_column(None, table, ["?"]) == {}


def test_a_column_that_can_be_no_groups_is_refused():
    there, taken = ["who", "age"], {"target": "age"}
    assert list(group_problems(None, there, taken)) == list(group_problems("who", there, taken)) == []
    absent, target = (list(map(str, group_problems(name, there, taken))) for name in ("whom", "age"))
    assert absent == ["validation.groups: there is no column 'whom'; the columns are who, age"]
    assert target == ["validation.groups: must be another column than data.target, got age"]
