import csv

import pytest
import tokenizers
import torch
from media import write_texts

from lightune.data import TextCSV
from lightune.data.samples import sound
from lightune.errors import ConfigError
from lightune.inference.table_input import Tally
from lightune.inference.text_input import TextInput
from lightune.validation import CrossValidation, Holdout


def table(tmp_path, *rows, header=("text", "label")):
    file = tmp_path / "t.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([header, *rows])
    return str(file)


def problems(data):
    with pytest.raises(ConfigError) as refused:
        data.load()
    return [str(problem) for problem in refused.value.problems]


def divided(path, split, **said):
    data = TextCSV(path=path, **said)
    data.divide(split, seed=0)
    return data


def test_without_a_path_there_is_a_sample():
    samples = sound(TextCSV().load())
    assert (len(samples.targets), samples.num_classes) == (1547, 8)
    assert "Korean" in samples.schema["classes"]


def test_texts_are_read_and_what_was_found_told(tmp_path):
    rows = [("A b, c", "yes"), ("", "no"), ("👍 a", " yes "), ("x", ""), ("b b b b b", "no"), ("a", "NA")]
    samples = TextCSV(path=table(tmp_path, *rows), max_length=4).load()
    vocabulary = samples.schema["vocabulary"]
    assert vocabulary == ["a", "b", ",", "c", "👍"]
    assert samples.inputs.tolist() == [[0, 1, 2, 3], [-1] * 4, [4, 0, -1, -1], [1, 1, 1, 1]]
    assert samples.targets.tolist() == [1, 0, 1, 0]
    assert samples.schema["classes"] == ["no", "yes"]
    assert list(samples.report) == [
        ("rows", "4"),
        ("target", "2 rows without a label are left out"),
        ("tokens", "5 different, 4 in a text (median)"),
        ("cut off", "1 text of more than 4 tokens"),
        ("empty", "1 text without a token"),
    ]


@pytest.mark.parametrize(
    ("tokens", "vocabulary"),
    [("word", ["éa", "b"]), ("char", ["é", "a", " ", "b"]), ("byte", ["c3", "a9", "61", "20", "62"])],
)
def test_texts_are_cut_as_is_said(tmp_path, tokens, vocabulary):
    path = table(tmp_path, ("Éa b", "x"), ("éA B", "y"))
    assert TextCSV(path=path, tokens=tokens).load().schema["vocabulary"] == vocabulary


def test_classes_of_numbers_are_in_their_order(tmp_path):
    path = table(tmp_path, ("a", "10"), ("b", "9"))
    assert TextCSV(path=path).load().schema["classes"] == ["9", "10"]


def test_equal_texts_are_told_and_kept_together(tmp_path):
    path = table(tmp_path, ("a b", "x"), ("c", "y"), ("A  b", "y"), ("d", "x"))
    together = TextCSV(path=path).load()
    assert together.copies is not None
    assert together.copies[0] == together.copies[2] != together.copies[1]
    assert any(text.startswith("1 text repeats the") for _, text in together.report)
    assert TextCSV(path=path, duplicates="keep").load().copies is None
    assert TextCSV(path=path, duplicates="drop").load().targets.tolist() == [0, 1, 0]


def test_an_official_split_is_kept(tmp_path):
    rows = [(f"t{n}", "xy"[n % 2], ["train", "test", "dev", "Train"][n // 2 % 4]) for n in range(16)]
    data = TextCSV(path=table(tmp_path, *rows, header=("text", "label", "part")), split="part")
    assert (data.samples.official_val, data.samples.official_test) == (4, 4)
    data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
    known = data.samples.schema["vocabulary"]
    assert [known[number] for number in data.samples.inputs[data.rows_of("test"), 0]] == ["t2", "t3", "t10", "t11"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            {"text": "words", "target": "y", "split": "part"},
            [
                "data.text: there is no column 'words'; the columns are text, label",
                "data.target: there is no column 'y'; the columns are text, label",
                "data.split: there is no column 'part'; the columns are text, label",
            ],
        ),
        ({"target": "text"}, ["data: column 'text' stands in two of text, target and split"]),
        ({"split": "text2"}, ["data.split: there is no column 'text2'"]),
        ({"split": "label", "target": "text", "text": "text"}, ["data: column 'text' stands in two"]),
    ],
)
def test_keys_that_do_not_fit_the_file_are_refused_together(tmp_path, said, wanted):
    found = problems(TextCSV(path=table(tmp_path, ("a", "x"), ("b", "y")), **said))
    assert len(found) == len(wanted)
    assert all(text.startswith(start) for text, start in zip(found, wanted, strict=True)), found


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("x", "x"), "label has one class only, 'x'"),
        (("", "NA"), "label is empty"),
        (("Yes", "yes"), "classes that differ in case only: 'Yes' and 'yes'"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(tmp_path, labels, said):
    (problem,) = problems(TextCSV(path=table(tmp_path, *(("a", label) for label in labels))))
    assert problem.startswith("data.target: ")
    assert said in problem


def test_a_file_that_is_no_table_is_refused(tmp_path):
    assert problems(TextCSV(path=str(tmp_path / "no.csv")))[0].startswith("data.path: there is no file")
    (tmp_path / "e.csv").touch()
    assert "is empty" in problems(TextCSV(path=str(tmp_path / "e.csv")))[0]
    unknown = table(tmp_path, ("a", "x", "train"), ("b", "y", "late"), header=("text", "label", "part"))
    assert problems(TextCSV(path=unknown, split="part")) == [
        "data.split: part must hold train, val or test, got 'late'"
    ]


def test_texts_without_any_token_can_be_learnt_from(tmp_path):
    data = TextCSV(path=table(tmp_path, *((" ", "xy"[n % 2]) for n in range(20))), duplicates="keep")
    data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
    assert data.input_shape == (1,)
    assert data.cardinalities == (2,)
    assert data.scaled("train").unique().tolist() == [0]


def test_a_folds_vocabulary_never_saw_its_validation_rows(tmp_path):
    path = str(write_texts(tmp_path / "t.csv"))
    for split in CrossValidation(k=3).splits(TextCSV(path=path).rows, seed=0):
        data = divided(path, split, min_frequency=1)
        lines = (tmp_path / "t.csv").read_text().splitlines()
        for row in [*split.val.tolist(), *split.test.tolist()]:
            lines[row + 1] = f"n{row} other words a a a the," + lines[row + 1].rpartition(",")[2]
        (tmp_path / "changed.csv").write_text("\n".join(lines))
        changed = divided(str(tmp_path / "changed.csv"), split, min_frequency=1)
        assert vocabulary_of(data) == vocabulary_of(changed)
        assert "other" not in vocabulary_of(changed)
        assert torch.equal(data.scaled("train"), changed.scaled("train")[:, : data.input_shape[0]])
        assert data.cardinalities == changed.cardinalities == (len(vocabulary_of(data)) + 2,)


def vocabulary_of(data):
    places = zip(data.samples.schema["vocabulary"], data.preparation.table[2:].tolist(), strict=True)
    return {token: place for token, place in places if place > 1}


def test_seldom_tokens_are_unknown(tmp_path):
    path = str(write_texts(tmp_path / "t.csv"))
    split = Holdout().splits(TextCSV(path=path).rows, seed=0)[0]
    assert "purr" in vocabulary_of(divided(path, split))
    assert not [token for token in vocabulary_of(divided(path, split)) if token.startswith("n")]
    assert len(vocabulary_of(divided(path, split, max_vocabulary=3))) == 3
    assert vocabulary_of(divided(path, split, min_frequency=1000)) == {}


def test_the_profile_is_of_texts_that_the_vocabulary_was_not_learnt_from(tmp_path):
    data = TextCSV(path=str(write_texts(tmp_path / "t.csv")))
    data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
    unknown, _ = data.described()["profile"]
    assert unknown["name"] == "unknown tokens"
    assert sum(unknown["counts"]) == data.sizes["val"]


def write_tokenizer(file):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[U]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=20, special_tokens=["[U]"], show_progress=False)
    tokenizer.train_from_iterator(["purr meow"] * 3, trainer)
    tokenizer.save(str(file))
    return file


def test_a_tokenizers_file_travels_with_the_schema_to_predictions(tmp_path):
    file = write_tokenizer(tmp_path / "t.json")
    samples = TextCSV(path=table(tmp_path, ("purr meo", "a"), ("PURR", "b")), tokens=str(file)).load()
    assert samples.schema["vocabulary"] == ["purr", "meo", "[U]"]
    assert ("tokens", f"as {file} cuts them, small and capital letters, too: not data.lowercase") in samples.report
    file.unlink()
    raw = TextInput(samples.schema).raw(["meow purr", "P"], Tally())
    assert raw.tolist() == [[-2, 0], [2, -1]]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ("words", "must be word, char, byte, model, or the .json file of a tokenizer, got words"),
        ("no.json", "no.json cannot be read (No such file or directory)"),
        ("bad.json", "bad.json is no tokenizer of the package tokenizers (Model missing"),
    ],
)
def test_tokens_that_are_none_are_refused(tmp_path, monkeypatch, tokens, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{}")
    (refused,) = problems(TextCSV(tokens=tokens))
    assert refused.startswith("data.tokens: ")
    assert said in refused


def test_any_column_may_say_what_texts_belong_together(tmp_path):
    rows = [(f"t{n % 30}", "ab"[n % 2], f"p{n // 4}" if n > 3 else "") for n in range(40)]
    data = TextCSV(path=table(tmp_path, *rows, header=("text", "label", "who")), group_column="who")
    groups = [who or n for n, (_, _, who) in enumerate(rows)]
    for split in [
        *Holdout(groups="who").splits(data.rows, seed=0),
        *CrossValidation(k=3, groups="who").splits(data.rows, seed=0),
    ]:
        sides = [{groups[row] for row in part} for part in (split.train, split.val, split.test)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 13
    for name in ("whom", "text", "label"):
        (problem,) = problems(
            TextCSV(path=table(tmp_path, *rows[:4], header=("text", "label", "who")), group_column=name)
        )
        assert problem.startswith("validation.groups: ")


def test_groups_of_texts_follow_their_rows(tmp_path):
    rows = [(f"t{n}", "" if n < 5 else "ab"[n % 2], f"p{n // 4}") for n in range(20)]
    data = TextCSV(path=table(tmp_path, *rows, header=("text", "label", "who")), group_column="who")
    first = data.samples.groups["who"][:4]
    assert (first - first[0]).tolist() == [0, 0, 0, 1]


def test_the_positive_class_can_be_chosen(tmp_path):
    path = table(tmp_path, ("a b", "ham"), ("b c", "spam"), ("c d", "ham"))
    assert TextCSV(path=path).load().schema["classes"] == ["ham", "spam"]
    samples = TextCSV(path=path, pos_label="ham").load()
    assert (samples.schema["classes"], samples.targets.tolist()) == (["spam", "ham"], [1, 0, 1])
    rule = "must be one of the two classes (label has ham, spam), got eggs"
    assert problems(TextCSV(path=path, pos_label="eggs")) == [f"data.pos_label: {rule}"]


@pytest.mark.parametrize("duplicates", ["together", "keep", "drop"])
def test_equal_texts_of_different_classes_are_asked_about(tmp_path, duplicates):
    rows = [("x", ""), ("Call now", "spam"), ("hi", "ham"), ("call NOW", "ham"), ("hi", "ham")]
    report = TextCSV(path=table(tmp_path, *rows), duplicates=duplicates).load().report
    asked = "1 set of texts with equal inputs is of different classes, such as row 1 (spam) and row 3 (ham): "
    assert [text for subject, text in report if subject == "question" and text.startswith(asked)]
