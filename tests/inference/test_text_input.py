import numpy as np
import pytest

from lightune.inference.table_input import Tally
from lightune.inference.text_input import TextInput

SCHEMA = {
    "text": "review",
    "target": "stars",
    "tokens": "word",
    "lowercase": True,
    "max_length": 3,
    "vocabulary": ["good", "bad", "👍"],
}
ROWS = [[0, -2, 1], [2, -1, -1], [-1, -1, -1]]


def test_the_column_of_a_file_is_found_by_its_name(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('stars;review\n1;"Good, bad"\n2;👍\n3;\n', encoding="utf-8")
    tally = Tally()
    ((numbers, raw),) = TextInput(SCHEMA).chunks(file, tally)
    assert numbers == ["0", "1", "2"]
    assert raw.tolist() == ROWS
    assert tally == Tally(3)


def test_a_file_is_read_bit_by_bit(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("review\n" + "good\n" * 20_000)
    tally = Tally()
    parts = list(TextInput(SCHEMA).chunks(file, tally))
    assert len(parts) == 3
    assert [number for numbers, _ in parts for number in numbers] == list(map(str, range(20_000)))
    assert sum(len(raw) for _, raw in parts) == tally.rows == 20_000


TEXTS = ["good, BAD good", "👍", ""]


class Frame(dict):
    """What data frames of pandas and polars have in common."""

    columns = ("review",)


@pytest.mark.parametrize(
    "samples",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array([*TEXTS[:2], None], dtype=object),
        {"review": [*TEXTS[:2], float("nan")]},
        [{"review": text, "id": 1} for text in TEXTS],
        Frame(review=TEXTS),
    ],
    ids=["list", "tuple", "array", "objects", "mapping", "rows", "frame"],
)
def test_texts_of_python_are_taken_as_they_are(samples):
    tally = Tally()
    assert TextInput(SCHEMA).raw(samples, tally).tolist() == ROWS
    assert tally.rows == 3


def test_texts_are_cut_as_in_training():
    chars = TextInput({**SCHEMA, "tokens": "char", "lowercase": False, "vocabulary": ["a", "B"]})
    assert chars.raw(["aB", "Ab"], Tally()).tolist() == [[0, 1], [-2, -2]]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ("good", r"must be a list of texts, got one; predict\(\['good'\]\)"),
        ([1, 2], "must be a list of texts, got a int in it"),
        ({"text": ["a"]}, "must have a column 'review'"),
        ([{"text": "a"}], "must have a column 'review', got text"),
    ],
)
def test_other_samples_are_refused(samples, said):
    with pytest.raises(ValueError, match=said):
        TextInput(SCHEMA).raw(samples, Tally())


def test_a_file_without_the_column_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,stars\na,1\n")
    with pytest.raises(ValueError, match="has no column 'review'; it has text, stars"):
        next(TextInput(SCHEMA).chunks(tmp_path / "t.csv", Tally()))


def test_a_file_is_read_as_that_of_the_training_was(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes("review|näme\ngood, bad|x\n".encode("latin-1"))
    schema = {**SCHEMA, "delimiter": "|", "encoding": "latin-1"}
    ((_, raw),) = TextInput(schema).chunks(file, Tally())
    assert raw.tolist() == [[0, -2, 1]]
