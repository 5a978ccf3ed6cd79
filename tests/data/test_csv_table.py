import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from lightune.data import CSV, CSVRegression
from lightune.data.placement import place
from lightune.data.samples import sound
from lightune.errors import ConfigError
from lightune.validation import CrossValidation, Holdout, Split

HEADER = "age,city,id,born,group,churned\n"


def table(tmp_path, rows=60, name="t.csv", header=HEADER, line=None):
    file = tmp_path / name
    cities = ["Rome", "Oslo", ""]
    line = line or (
        lambda n: f"{20 + n % 40}.5,{cities[n % 3]},u{n},2001-01-{n % 28 + 1},{n % 6},{'yes' if n % 4 else 'no'}"
    )
    file.write_text(header + "".join(f"{line(n)}\n" for n in range(rows)))
    return str(file)


def problems(data):
    with pytest.raises(ConfigError) as refused:
        data.load()
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(("kind", "rows", "count"), [(CSV, 344, 3), (CSVRegression, 398, 0)])
def test_without_a_path_there_is_a_sample(kind, rows, count):
    data = kind()
    samples = sound(data.load())
    assert (len(samples.targets), samples.num_classes) == (rows, count)
    assert samples.schema["target"] in ("species", "mpg")


def test_a_table_is_read_and_each_decision_told(tmp_path):
    samples = CSV(path=table(tmp_path), target="churned").load()
    assert samples.inputs.dtype == torch.float64
    assert samples.inputs[:3, 0].tolist() == [20.5, 21.5, 22.5]
    assert samples.inputs[:3, 1].tolist() == [0, 1, 2]  # group comes before city: it is numeric
    assert samples.inputs[:3, 2].tolist() == [1, 0, -1]
    assert samples.schema["classes"] == ["no", "yes"]
    assert samples.targets[:5].tolist() == [0, 1, 1, 1, 0]
    assert ("missing", "city 20") in samples.report
    assert any(line[1].startswith("born: holds dates; numbers made of") for line in samples.report)
    assert ("left out", "id: nearly every row has a value of its own") in samples.report


def test_kinds_can_be_said(tmp_path):
    said = {"categorical": ["group"], "ignore": ["city", "id", "born"]}
    columns = CSV(path=table(tmp_path), target="churned", **said).load().schema["columns"]
    assert {column["name"]: column["kind"] for column in columns if column["kind"] != "ignored"} == {
        "age": "numeric",
        "group": "categorical",
    }


def test_rows_without_a_target_are_left_out_and_counted(tmp_path):
    path = table(tmp_path, line=lambda n: f"{n},a,b,c,{n % 6},{'' if n < 3 else n % 2}")
    samples = CSV(path=path, target="churned").load()
    assert len(samples.targets) == 57
    assert ("target", "3 rows without a churned are left out") in samples.report


def test_missing_rows_can_be_dropped(tmp_path):
    samples = CSV(path=table(tmp_path), target="churned", missing="drop").load()
    assert len(samples.targets) == 40
    assert ("missing", "20 rows of missing values left out, as data.missing says") in samples.report


def test_equal_rows_are_told_and_kept_together(tmp_path):
    path = table(tmp_path, line=lambda n: f"{n % 50},x,y,z,{n % 50 % 6},{n % 2}")
    together = CSV(path=path, target="churned").load()
    assert together.copies is not None
    assert any(subject == "duplicates" and remark.startswith("10 rows") for subject, remark in together.report)
    assert CSV(path=path, target="churned", duplicates="keep").load().copies is None
    assert len(CSV(path=path, target="churned", duplicates="drop").load().targets) == 50


def test_numbers_that_are_equal_make_equal_rows(tmp_path):
    path = table(tmp_path, line=lambda n: f"{('-0', '0', '7')[n % 3]},x,y,z,1,{n % 2}")
    assert len(CSV(path=path, target="churned", duplicates="drop").load().targets) == 2


def test_classes_of_numbers_are_in_their_order(tmp_path):
    path = table(tmp_path, line=lambda n: f"{n},x,y,z,{n % 6},{(n % 3) * 5}")
    assert CSV(path=path, target="churned").load().schema["classes"] == ["0", "5", "10"]


@pytest.mark.parametrize("as_column", [True, False])
def test_official_parts_are_kept(tmp_path, as_column):
    words = ["train", "test", "train", "val", "train", "test"]
    if as_column:
        path = table(tmp_path, line=lambda n: f"{n},x,y,z,{words[n % 6]},{n % 2}")
        data = CSV(path=path, target="churned", split="group")
    else:
        for name, rows in (("train", 30), ("test", 20), ("val", 10)):
            table(tmp_path, rows, f"{name}.csv", line=lambda n: f"{n},x,y,z,{n % 6},{n % 2}")
        data = CSV(path=str(tmp_path), target="churned")
    samples = data.load()
    assert (samples.official_test, samples.official_val) == (20, 10)
    data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
    assert data.sizes == {"train": 30, "val": 10, "test": 20}
    if as_column:
        assert set((data.samples.inputs[data.rows_of("test"), 0] % 6).tolist()) == {1, 5}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"target": None}, ["data.target: must name the column to predict; the columns are age, city, id"]),
        (
            {"target": "churn", "ignore": ["x"]},
            ["data.target: there is no column 'churn'", "data.ignore: there is no"],
        ),
        ({"numeric": ["city"]}, ["data.numeric: city has cells that are no numbers ('Oslo', 'Rome')"]),
        ({"numeric": ["age"], "ignore": ["age"]}, ["data: column 'age' stands in two of"]),
        ({"ignore": ["churned"]}, ["data: column 'churned' stands in two of target, ignore"]),
        ({"target": "id"}, []),
        ({"split": "city"}, ["data.split: city must hold train, val or test, got"]),
        ({"ignore": ["age", "city", "id", "born", "group"]}, ["data.path: no column is left to predict churned"]),
    ],
)
def test_keys_that_do_not_fit_the_file_are_refused_together(tmp_path, given, said):
    data = CSV(**{"path": table(tmp_path), "target": "churned", **given})
    if not said:
        assert data.load().num_classes == 60
        return
    found = problems(data)
    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True)), found


@pytest.mark.parametrize(
    ("kind", "cell", "said"),
    [
        (
            CSV,
            lambda n: n / 7,
            "churned has 60 different numbers, which are no classes; choose data=csv_regression",
        ),
        (CSV, lambda n: "same", "churned has one class only, 'same'"),
        (CSV, lambda n: "", "churned is missing in every row"),
        (CSV, lambda n: "Yes" if n % 2 else "yes", "written in several ways: 'Yes' and 'yes'"),
        (CSV, lambda n: "caf\u00e9" if n % 2 else "cafe\u0301", "the same letters in two encodings: 'cafe"),
        (CSV, lambda n: ("0", "1", "1.0")[n % 3], "written in several ways: '1' and '1.0'"),
        (CSVRegression, lambda n: "ab"[n % 2], "churned must be numbers ('a', 'b'); for classes choose data=csv"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(tmp_path, kind, cell, said):
    path = table(tmp_path, line=lambda n: f"{n},x,y,z,{n % 6},{cell(n)}")
    (problem,) = problems(kind(path=path, target="churned"))
    assert problem.startswith("data.target: ")
    assert said in problem


def test_an_infinite_number_is_refused_with_its_column(tmp_path):
    path = table(tmp_path, line=lambda n: f"{'inf' if n == 5 else n},x,y,z,{n % 6},{n % 2}")
    assert "age has 1 infinite value" in problems(CSV(path=path, target="churned"))[0]


def test_a_folder_without_parts_is_refused(tmp_path):
    assert "with train.csv and test.csv" in problems(CSV(path=str(tmp_path), target="x"))[0]
    assert "there is no" in problems(CSV(path=str(tmp_path / "no.csv"), target="x"))[0]


@pytest.mark.parametrize("categories", ["onehot", "embedding"])
def test_a_fold_is_prepared_by_its_own_training_rows(tmp_path, categories):
    data = CSV(path=table(tmp_path), target="churned", categories=categories)
    for split in CrossValidation(k=3).splits(data.rows, seed=0):
        data.divide(split, seed=0)
        changed = CSV(path=table(tmp_path), target="churned", categories=categories)
        samples = changed.samples
        outside = np.concatenate([split.val, split.test])
        samples.inputs[outside, 0] = 1e6
        samples.inputs[outside, 2] = -1
        changed.divide(split, seed=0)
        pairs = zip(data.preparation.buffers(), changed.preparation.buffers(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)
        assert data.input_shape == tuple(data.scaled("val").shape[1:])
    assert data.cardinalities == (() if categories == "onehot" else (4,))


def test_a_stream_gives_what_memory_gives(tmp_path):
    batches = []
    for placement in ("host", "stream"):
        data = CSV(path=table(tmp_path), target="churned", placement=placement, num_workers=0)
        data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
        batches.append(next(iter(data.train_dataloader()))[0])
        data.close_streams()
    assert torch.equal(*batches)


def same(one, other):
    """Return whether samples are the same to the bit, but for where their inputs lie."""
    assert (one.in_file, other.in_file) == (False, True)
    assert one.inputs.numpy().tobytes() == other.inputs.numpy().tobytes()
    assert torch.equal(one.targets, other.targets)
    for name in ("schema", "report", "files", "num_classes", "official_test", "official_val"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("rows", "copies"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    for name in ("groups", "times"):
        mine, others = getattr(one, name), getattr(other, name)
        assert mine.keys() == others.keys()
        for key, value in mine.items():
            first, second = (value, others[key]) if name == "groups" else (value(), others[key]())
            assert np.array_equal(first, second, equal_nan=name == "times")


@pytest.mark.parametrize("how", ["", "split", "drop", "unlabelled", "group", "folder", "values", "rows dropped"])
def test_a_table_in_a_file_is_the_table_in_memory(tmp_path, monkeypatch, how):
    monkeypatch.setattr("lightune.data.stored_cells._CELLS_AT_ONCE", 40)  # some rows at a time
    words = ["train", "test", "val"]
    lines = {
        "split": lambda n: f"{20 + n % 40},x{n % 5},u{n},{words[n % 3]},{n % 6},{n % 2}",
        "unlabelled": lambda n: f"{20 + n % 40},x,u{n},2001-01-{n % 28 + 1},{n % 6},{n % 2 if n % 7 else ''}",
        "drop": lambda n: f"{20 + n % 4},x,u{n},2001-01-{n % 28 + 1},{n % 6},{n % 2}",
        "values": lambda n: f"{20 + n % 40},x{n % 4},u{n},2001-01-{n % 28 + 1},{n % 6},{n / 7}",
    }
    path = table(tmp_path, line=lines.get(how))
    if how == "folder":
        (tmp_path / "parts").mkdir()
        for name in ("test.csv", "train.csv"):
            table(tmp_path / "parts", name=name)
        path = str(tmp_path / "parts")
    said = {
        "split": {"split": "born"},
        "drop": {"duplicates": "drop"},
        "group": {"group_column": "id", "ignore": ["group"]},
        "rows dropped": {"missing": "drop"},
    }
    kind = CSVRegression if how == "values" else CSV
    both = [
        sound(kind(path=path, target="churned", placement=placement, **said.get(how, {})).load())
        for placement in ("host", "stream")
    ]
    same(*both)


def test_what_a_table_in_a_file_refuses_is_what_memory_refuses(tmp_path):
    for line in (
        lambda n: f"{n},a,b,c,1,",
        lambda n: f"{n},a,b,c,{n}e300,{n % 2}",
        lambda n: f"{n},a,b,c,{'inf' if n == 3 else n},{n % 2}",
    ):
        path = table(tmp_path, line=line)
        said = [problems(CSV(path=path, target="churned", placement=where)) for where in ("host", "stream")]
        assert said[0] == said[1] != []
    (tmp_path / "header.csv").write_text(HEADER)
    assert problems(CSV(path=str(tmp_path / "header.csv"), target="churned", placement="stream"))[0].endswith(
        "has a header only, no rows"
    )


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_a_table_whose_texts_memory_does_not_hold_lies_in_a_file(tmp_path, monkeypatch, suffix):
    file = Path(table(tmp_path))
    if suffix == "csv.gz":
        content, file = file.read_bytes(), tmp_path / "t.csv.gz"
        file.write_bytes(gzip.compress(content))
    needed = 10 * file.stat().st_size * (4 if suffix == "csv.gz" else 1)
    for free, in_file in ((2 * needed, False), (2 * needed - 2, True)):
        monkeypatch.setattr(place, "__kwdefaults__", {"free": lambda device, free=free: free})
        data = CSV(path=str(file), target="churned")
        assert data.samples.in_file is in_file
        data.divide(Holdout().splits(data.rows, seed=0)[0], seed=0)
        assert not data.is_streamed  # what is prepared is smaller


def test_a_table_that_no_disk_holds_is_refused_with_its_folder(tmp_path, monkeypatch):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lightune.data.stored_cells.unnamed", full)
    (problem,) = problems(
        CSV(path=table(tmp_path), target="churned", placement="stream", output_root=str(tmp_path))
    )
    assert problem.startswith(f"data.placement: puts what does not fit in memory into a file in {tmp_path}, which")
    assert "No space left on device); make room there" in problem


def test_a_column_that_predicts_the_target_alone_is_asked_about_by_training_rows_only(tmp_path):
    rows = [f"{number * 7 % 100},{'yes' if number % 3 else 'no'},{number % 3 > 0}" for number in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["size,alive,survived", *rows]) + "\n")
    data = CSV(path=str(tmp_path / "t.csv"), target="survived")
    data.divide(Split(np.arange(60), np.arange(60, 80), np.arange(80, 100)), seed=0)
    ((subject, said),) = data.questions()
    assert subject == "question"
    assert said.startswith("alive predicts survived nearly alone (AUC 1.00, the next column 0.")
    data.divide(Split(np.arange(0, 60, 3), np.arange(60, 80), np.arange(80, 100)), seed=0)  # one class
    assert data.questions() == []


def test_time_is_read_from_dates_numbers_and_columns_that_are_left_out(tmp_path):
    file = tmp_path / "t.csv"
    lines = [f"{n % 7},2021-{n % 12 + 1:02}-01,{100 - n},{'ab'[n % 2]},{'xy'[n % 3 % 2]}" for n in range(40)]
    file.write_text("\n".join(["x,day,left,kind,y", *lines[:5], "1,2021-01-01,3,a,", *lines[5:]]) + "\n")
    data = CSV(str(file), "y", ignore=["left"])
    times = data.rows.times
    assert list(times) == ["x", "day", "left"]
    assert times["x"]().tolist() == [n % 7 for n in range(40)]
    assert times["left"]().tolist() == [100 - n for n in range(40)]
    assert np.argsort(times["day"](), kind="stable").tolist() == sorted(range(40), key=lambda n: n % 12)
    (split,) = Holdout(val_fraction=0.25, test_fraction=0.25, order="left").splits(data.rows, seed=0)
    assert (split.test.tolist(), split.val.tolist()) == (list(range(10)), list(range(10, 20)))


@pytest.mark.parametrize("way", [Holdout(groups="id"), CrossValidation(k=3, groups="id")])
@pytest.mark.parametrize("duplicates", ["together", "keep"])
def test_any_column_may_say_what_rows_belong_together_and_is_no_input_then(tmp_path, way, duplicates):
    path = table(tmp_path, line=lambda n: f"{n % 50},x,{f'p{n // 4}' if n > 3 else ''},z,{n % 7},{n % 2}")
    data = CSV(path=path, target="churned", group_column="id", duplicates=duplicates)
    groups = np.array([f"p{n // 4}" if n > 3 else f"alone {n}" for n in range(60)])
    for split in way.splits(data.rows, seed=0):
        sides = [set(groups[rows]) for rows in (split.train, split.val, split.test)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 18
    assert ("left out", "id: keeps rows together, as validation.groups says") in data.samples.report
    assert data.input_shape == (2,)


def test_a_column_of_groups_is_an_input_if_it_is_named_as_one(tmp_path):
    data = CSV(path=table(tmp_path), target="churned", group_column="group", numeric=["group"], ignore=["age"])
    assert data.input_shape == (2,)
    assert data.samples.groups["group"][:7].tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert CSV(path=table(tmp_path), target="churned", group_column="group", ignore=["age"]).input_shape == (1,)


def test_groups_follow_their_rows(tmp_path):
    words = ["train", "test", "val"]
    path = table(
        tmp_path, line=lambda n: f"{n if n % 5 else ''},x,{n // 6},{words[n % 3]},1,{n % 2 if n > 9 else ''}"
    )
    said = {"split": "born", "missing": "drop", "categorical": ["id"]}
    samples = CSV(path=path, target="churned", group_column="id", **said).load()
    kept = [n for part in (0, 2, 1) for n in range(10, 60) if n % 5 and n % 3 == part]
    assert samples.rows.tolist() == kept
    _, wanted = np.unique([str(n // 6) for n in kept], return_inverse=True)
    assert np.unique(samples.groups["id"], return_inverse=True)[1].tolist() == wanted.tolist()


def test_a_column_of_groups_that_is_not_there_or_is_the_target_is_refused(tmp_path):
    for name, said in (
        ("who", "there is no column 'who'; the columns are age, city"),
        ("churned", "must be another"),
    ):
        (problem,) = problems(CSV(path=table(tmp_path), target="churned", group_column=name))
        assert problem.startswith(f"validation.groups: {said}")
    assert problems(CSV(group_column="species"))[0].startswith("validation.groups: must be another column")


def test_the_positive_class_can_be_chosen(tmp_path):
    samples = CSV(path=table(tmp_path), target="churned", pos_label="no").load()
    assert samples.schema["classes"] == ["yes", "no"]
    assert samples.targets[:5].tolist() == [1, 0, 0, 0, 1]
    numbers = table(tmp_path, name="n.csv", header="a,b\n", line=lambda n: f"{n},{n % 2}")
    assert CSV(path=numbers, target="b", pos_label=0).load().schema["classes"] == ["1", "0"]
    rule = "is for two classes, and values are predicted, got 0; set it to null"
    assert problems(CSVRegression(path=numbers, target="b", pos_label=0)) == [f"data.pos_label: {rule}"]


def test_equal_rows_of_different_classes_are_asked_about_but_not_those_of_different_values(tmp_path):
    rows = ["1,a,5", "1,b,5", ",a,", "1,a,6", "2,b,5"]
    path = table(tmp_path, len(rows), header="x,y,z\n", line=lambda n: rows[n])
    asked = "1 set of rows with equal inputs is of different classes, such as row 0 (a) and row 1 (b): "
    report = CSV(path=path, target="y", ignore=["z"]).load().report
    assert [text for _, text in report if text.startswith(asked)]
    report = CSVRegression(path=path, target="z", ignore=["y"]).load().report
    assert [subject for subject, _ in report if subject in ("duplicates", "question")] == ["duplicates"]
