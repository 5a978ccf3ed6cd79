import numpy as np
import pytest

from lightune.data.columns import NA_VALUES, Column, decide, parse_categories, parse_numbers

NA = ("", "NA", "?")
MANY = [f"word {number}" for number in range(50)]

DATES = "holds dates; numbers made of them, such as a month or an age, would be used"


def decided(cells, **arguments):
    return decide(arguments.pop("name", "c"), cells, na_values=arguments.pop("na_values", NA), **arguments)


@pytest.mark.parametrize(
    "cells",
    [["1", "2", "3"], ["-1.5", "+2", ".5", "3."], ["1e-3", "2E5"], [" 1", "2 "], ["1", "", "NA", "?", "2"]],
)
def test_numbers_are_numeric(cells):
    column = decided(cells)
    assert column.kind == "numeric"
    assert column.missing == sum(cell.strip() in NA for cell in cells)


@pytest.mark.parametrize(
    "cells",
    [
        ["01234", "04567", "12345"],  # a code
        ["1_000", "2_000"],
        ["1,234.5", "2,345.6"],
        ["True", "False", ""],
        ["1", "2", "x"],
        ["0x10", "0x20"],
        ["1 2", "3 4"],
        ["nan", "1"],
        ["٣", "٤"],
    ],
)
def test_what_only_resembles_numbers_is_categorical(cells):
    column = decided(cells)
    assert column.kind == "categorical"
    assert column.categories == tuple(sorted({cell for cell in cells if cell not in NA}))


@pytest.mark.parametrize("decimal", [".", ","])
def test_a_cell_of_two_lines_is_no_number(decimal):
    cells = ["1\n2", "3", "4"]
    assert decided(cells, decimal=decimal).kind == "categorical"
    values, strays = parse_numbers(Column("c", "numeric", decimal=decimal), cells, NA)
    assert np.array_equal(values, [np.nan, 3, 4], equal_nan=True)
    assert strays == 1


def test_what_is_missing_is_said():
    assert decided(["NA", "AN", "ZA"]).categories == ("AN", "ZA")
    assert decided(["NA", "AN", "ZA"], na_values=[""]).categories == ("AN", "NA", "ZA")  # Namibia


def test_a_comma_may_stand_before_decimals():
    assert decided(["3,14", "2,72"]).kind == "categorical"
    column = decided(["3,14", "", "2"], decimal="auto")
    assert (column.kind, column.decimal) == ("numeric", ",")
    assert np.array_equal(parse_numbers(column, ["3,14", "", "2"], NA)[0], [3.14, np.nan, 2], equal_nan=True)
    assert decided(["1.234,5", "2.345,6"], decimal=",").kind == "categorical"


@pytest.mark.parametrize("cells", [["950", "1,003", "", "1,750"], ["+950", "1,003"], ["-5", "1,003"]])
def test_a_comma_that_marks_thousands_stands_before_no_decimals(cells):
    column = decided(cells, decimal="auto")
    assert column.kind == "ignored"
    assert "a comma that marks thousands is not read; remove it, or say data.decimal=','" in column.note
    with pytest.raises(ValueError, match=r"no numbers \('1.*a comma that marks thousands is not read"):
        decided(cells, decimal="auto", kind="numeric")
    assert decided(cells, decimal=",").kind == "numeric"  # as it is said to be


def test_several_commas_are_marks_of_thousands():
    assert "a comma that marks thousands" in decided(["1", "12,345,678"], decimal="auto").note


@pytest.mark.parametrize(
    ("cells", "asks"),
    [
        (["1,003", "1,750"], True),
        (["0,003", "1,750"], False),
        (["1,003", "1,75"], False),
        (["12345", "1,003"], False),
    ],
)
def test_a_comma_that_could_mark_thousands_in_every_number_is_asked_about(cells, asks):
    column = decided(cells, decimal="auto")
    assert (column.kind, column.decimal) == ("numeric", ",")
    assert ("if it marks thousands, remove it" in column.note) is asks


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["7"] * 30, "never varies"),
        (["", "NA"], "has no values"),
        (["2024-01-05", "2024-02-06 12:30"], DATES),
        (["5.1.2024", "6/2/24"], DATES),
        (MANY, "nearly every row has a value of its own"),
    ],
)
def test_a_column_of_no_use_is_left_out_with_the_reason(cells, note):
    column = decided(cells)
    assert (column.kind, column.note) == ("ignored", note)


def test_one_value_and_nothing_else_is_a_category_where_some_are_missing():
    assert decided(["yes", "", "yes"]).kind == "categorical"


def test_cells_with_a_point_and_with_a_comma_are_not_numbers_of_one_column():
    assert decided(["1,5", "2,5", "1.5"] * 9, decimal="auto").kind == "categorical"
    with pytest.raises(ValueError, match=r"no numbers \('1.5'\)"):
        decided(["1,5", "2,5", "1.5"], decimal="auto", kind="numeric")


def test_a_kind_that_is_said_is_kept():
    assert decided(["01", "02"], kind="numeric").kind == "numeric"
    assert decided(["1", "2"], kind="categorical").categories == ("1", "2")
    assert decided(MANY, kind="categorical").categories == tuple(sorted(MANY))
    assert decided(["1", "2"], kind="ignored").kind == "ignored"
    with pytest.raises(ValueError, match=r"no numbers \('x'\)$"):
        decided(["1", "x"], kind="numeric")
    with pytest.raises(ValueError, match=r"no numbers \('x'\)$"):
        decided(["1,5", "2,5", "x"], kind="numeric", decimal="auto")


def test_infinite_numbers_are_refused():
    with pytest.raises(ValueError, match=r"c has 3 infinite values \('-inf', 'Infinity'\)"):
        decided(["1", "-inf", "-inf", "Infinity", "2"])
    with pytest.raises(ValueError, match=r"c has 1 infinite value \('1e400'\)"):
        decided(["1", "1e400", "2"])


def test_a_few_words_among_numbers_are_a_question():
    cells = [str(number) for number in range(40)] * 2
    assert decided([*cells, "unknown"]).note.startswith("numbers but for 'unknown'")
    commas = [f"{number},5" for number in range(40)]
    assert decided([*commas, "later"], decimal="auto").note.startswith("numbers but for 'later'")
    assert decided([*commas, "later"]).note == "nearly every row has a value of its own"
    assert "identifier" in decided([str(number) for number in range(7, 47)]).note
    squares = [str(number**2) for number in range(40)]
    named = [name for name in ("client_id", "userId", "humid", "area") if decided(squares, name=name).note]
    assert named == ["client_id", "userId"]
    assert decided(cells).note == ""


@pytest.mark.parametrize("mark", ["-", "None", "#VALUE!", "unknown"])
def test_a_mark_among_numbers_is_told_with_what_to_type_however_few_numbers_there_are(mark):
    column = decided([mark, "1", "2.5", mark, "1"], na_values=["", "NA"])
    assert column.kind == "categorical"
    assert (
        column.note == f"""numbers but for '{mark}': 'data.na_values=["","NA","{mark}"]' reads that as missing"""
    )
    assert decided(["1", "1", mark]).note == ""  # one number may well be a category


@pytest.mark.parametrize("mark", ["NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "?", ""])
def test_what_can_only_be_missing_is_missing_unless_others_are_named(mark):
    column = decided([mark, "1", "2"], na_values=NA_VALUES)
    assert (column.kind, column.missing) == ("numeric", 1)


def test_numbers_of_a_later_file_that_are_none_count_as_missing():
    column = Column("c", "numeric")
    for cells in (["1", "x", "", "1_0", "inf"], ["1", "inf", "2"]):
        values, strays = parse_numbers(column, cells, NA)
        wanted = [1, *[np.nan] * 4] if len(cells) == 5 else [1, np.nan, 2]
        assert np.array_equal(values, wanted, equal_nan=True)
        assert strays == (3 if len(cells) == 5 else 1)


@pytest.mark.parametrize(
    ("decimal", "cells", "na_values"),
    [(".", ["1.5", "-999", " -999 "], ["-999"]), (",", ["1,5", "-9,9", "-9,9"], ["-9,9"])],
)
def test_a_number_that_stands_for_a_missing_value_is_none(decimal, cells, na_values):
    column = decided(cells, na_values=na_values, decimal=decimal)
    assert (column.kind, column.missing) == ("numeric", 2)
    values, strays = parse_numbers(column, cells, na_values)
    assert np.array_equal(values, [1.5, np.nan, np.nan], equal_nan=True)
    assert strays == 0


def test_missing_and_unknown_categories_have_codes_of_their_own():
    column = Column("c", "categorical", categories=("a", "b"))
    values, unknown = parse_categories(column, ["b", " a", "", "z", "z"], NA)
    assert values.tolist() == [1, 0, -1, -2, -2]
    assert unknown == 2


def test_a_column_is_plain_values():
    column = decided(["a", "b", ""])
    assert Column.from_plain(column.plain()) == column
