import csv
import errno
import json
import shutil
import weakref

import numpy as np
import openpyxl
import polars
import pytest
import torch
from table_runs import train_on_table

import lightune
from lightune.inference.certainty import Sets
from lightune.inference.predictor import Predictor
from lightune.reporting.predictions import read_validation
from lightune.reporting.result import read_result


def read(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_classes_are_written_with_their_probabilities(class_run, tool, here):
    code, out, err = tool("predict", class_run.folder, "--input", class_run.table)
    assert (code, out) == (0, "80 predictions of class in predictions.csv\n")
    rows = read(here / "predictions.csv")
    assert list(rows[0]) == ["row", "predicted", "probability", "p_old", "p_young"]
    assert [row["row"] for row in rows] == [str(number) for number in range(80)]
    predictor = lightune.load(class_run.folder)
    assert [row["predicted"] for row in rows] == predictor.predict(read(class_run.table)).tolist()
    assert all(row["probability"] == row[f"p_{row['predicted']}"] for row in rows)
    assert err == ""
    code, out, _ = tool("predict", class_run.folder, "--input", class_run.table)
    assert (code, out) == (0, "80 predictions of class in predictions.csv in place of an older one\n")


@pytest.mark.parametrize("beside", [(), ("--sets", "0.5", "--reject", "confidence", "--reject-rate", "0.5")])
def test_few_rows_of_a_file_are_held_at_a_time(class_run, tool, here, monkeypatch, beside):
    """However long the file is: what was predicted is written and forgotten."""
    held, most = weakref.WeakSet(), []
    read_file = Predictor.read_file

    def watched(*args, **how):
        for names, raw in read_file(*args, **how):
            held.add(raw)
            most.append(sum(len(each) for each in held))
            yield names, raw
            del names, raw

    monkeypatch.setattr("lightune.inference.table_input._ROWS", 4)
    monkeypatch.setattr(Predictor, "read_file", watched)
    code, _, _ = tool("predict", class_run.folder, "--input", class_run.table, *beside)
    assert code == 0
    assert len(most) == 20
    assert len(read(here / "predictions.csv")) == 80
    assert max(most) <= 12


def test_values_are_written_in_the_unit_of_the_target(value_run, tool, here):
    first, second = here / "a.csv", here / "b.csv"
    for file in (first, second):
        file.write_text("height,city,age\n180,Rome,30\n")
    code, out, _ = tool("predict", value_run.folder, "--input", first, second, "--output", "deep/er/p.csv")
    assert (code, out) == (0, "2 predictions of value in deep/er/p.csv\n")
    rows = read(here / "deep" / "er" / "p.csv")
    assert [list(row)[:3] for row in rows] == [["file", "row", "predicted"]] * 2
    assert [row["file"] for row in rows] == [str(first), str(second)]
    wanted = lightune.load(value_run.folder).predict({"height": [180], "city": ["Rome"], "age": [30]})
    assert float(rows[0]["predicted"]) == pytest.approx(float(wanted[0]), rel=1e-5)


def test_what_a_file_lacks_or_has_beside_is_said(class_run, tool, here):
    (here / "new.csv").write_text("age,city,note\n30,Paris,x\n40,Rome,y\n")
    code, _, err = tool("predict", class_run.folder, "--input", "new.csv")
    assert code == 0
    assert err.splitlines() == [
        "new.csv: columns that are not there count as missing: height",
        "new.csv: columns that the network does not know: note",
        "new.csv: city: 1 cell holds a value that training had not",
    ]


def test_a_threshold_moves_the_choice_of_two_classes(class_run, tool, here):
    for threshold, chosen in (("0.999999", "old"), ("0.000001", "young")):
        assert tool("predict", class_run.folder, "--input", class_run.table, "--threshold", threshold).code == 0
        assert {row["predicted"] for row in read(here / "predictions.csv")} == {chosen}


def test_what_cannot_be_done_is_refused_and_nothing_written(class_run, value_run, tool, here):
    (here / "mine.txt").write_text("precious")
    (here / "other.csv").write_text("a,b\n1,2\n")
    (here / "ragged.csv").write_text("age,city\n1,Rome\n2\n")
    for arguments, said in [
        (
            ["--input", "no.csv", "--output", "mine.txt"],
            ["no.csv", "there is no file or folder ", "was not written by lightune predict"],
        ),
        (["--input", "other.csv"], ["other.csv has none of the columns of the training (age, height, city)"]),
        (["--input", "ragged.csv"], ["ragged.csv, line 3: has 1 cell"]),
        (["--input", "other.csv", "--checkpoint", "none"], ["--checkpoint  must be best, last, or a file"]),
        (["--input", "other.csv", "--output", str(here)], ["must be a file, got the folder"]),
        (["--input", str(here)], [f"{here} cannot be read: Is a directory"]),
        (["--input", "other.csv", "--on-unreadable", "skip"], ["is for pictures and sounds"]),
    ]:
        code, _, err = tool("predict", class_run.folder, *arguments)
        assert code == 2
        assert all(text in err for text in said), err
    code, _, err = tool("predict", value_run.folder, "--input", value_run.table, "--threshold", "0.5")
    assert (code, "is for two classes, and the run predicts values" in err) == (2, True)
    assert sorted(path.name for path in here.iterdir()) == ["mine.txt", "other.csv", "ragged.csv"]
    assert (here / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("kind", ["picture_run", "sound_run"])
def test_the_files_below_folders_are_predicted_by_name(kind, request, tool, here):
    run = request.getfixturevalue(kind)
    code, out, err = tool("predict", run.folder, "--input", run.source / "dog", run.source / "cat")
    assert (code, out, err) == (0, "40 predictions of class in predictions.csv\n", "")
    rows = read(here / "predictions.csv")
    assert list(rows[0]) == ["file", "predicted", "probability", "p_cat", "p_dog"]
    files = [str(file) for name in ("dog", "cat") for file in sorted((run.source / name).iterdir())]
    assert [row["file"] for row in rows] == files
    assert [row["predicted"] for row in rows] == lightune.load(run.folder).predict(files).tolist()
    assert tool("predict", run.folder, "--input", files[0]).code == 0  # what was written is ours
    assert [row["file"] for row in read(here / "predictions.csv")] == files[:1]


@pytest.mark.parametrize("kind", ["picture_run", "sound_run"])
def test_a_file_that_cannot_be_read_is_refused_or_left_out(kind, request, tool, here):
    run, new = request.getfixturevalue(kind), here / "new"
    new.mkdir()
    file = next((run.source / "cat").iterdir())
    shutil.copy(file, new / f"a{file.suffix}")
    (new / f"b{file.suffix}").touch()
    code, _, err = tool("predict", run.folder, "--input", "new")
    assert (code, f"--input  new/b{file.suffix} is empty" in err) == (2, True)
    assert not (here / "predictions.csv").exists()
    code, out, err = tool("predict", run.folder, "--input", "new", "--on-unreadable", "skip")
    assert (code, out) == (0, "1 prediction of class in predictions.csv\n")
    assert err == f"new: new/b{file.suffix} is left out: is empty\n"
    (here / "empty").mkdir()
    assert "--input  empty has no" in tool("predict", run.folder, "--input", "empty").err


def test_texts_are_predicted_by_their_rows(text_run, tool, here):
    code, out, _ = tool("predict", text_run.folder, "--input", text_run.source)
    assert (code, out) == (0, "60 predictions of label in predictions.csv\n")
    rows = read(here / "predictions.csv")
    assert list(rows[0]) == ["row", "predicted", "probability", "p_cat", "p_dog"]
    texts = [row["text"] for row in read(text_run.source)]
    assert [row["predicted"] for row in rows] == lightune.load(text_run.folder).predict(texts).tolist()
    (here / "other.csv").write_text("words\na\n")
    code, _, err = tool("predict", text_run.folder, "--input", "other.csv")
    assert (code, "other.csv has no column 'text'; it has words" in err) == (2, True)


def test_a_fold_and_all_folds_can_predict(fold_run, tool, here):
    predicted = []
    for folder in (fold_run.folder, fold_run.folder / "fits" / "1"):
        assert tool("predict", folder, "--input", fold_run.table).code == 0
        predicted.append([row["p_old"] for row in read(here / "predictions.csv")])
    assert predicted[0] != predicted[1]


def test_a_run_on_data_without_columns_says_where_it_can_predict(tool, here):
    words = ["data=wine", "trainer.max_epochs=1", "model.units=4", "logger=none", f"output_root={here}/out"]
    run = lightune.train(lightune.compose(words)).run_dir
    (here / "new.csv").write_text("a\n1\n")
    code, _, err = tool("predict", run, "--input", "new.csv")
    assert code == 2
    assert "lightune.load(RUN).predict(samples)" in err


def test_an_output_that_cannot_be_written_is_said_and_no_input_is_blamed(class_run, tool, here, monkeypatch):
    (here / "file").write_text("")
    code, _, err = tool("predict", class_run.folder, "--input", class_run.table, "--output", "file/p.csv")
    assert (code, "--output  file/p.csv cannot be written (" in err) == (2, True)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lightune.cli.predict.cell", full)
    code, _, err = tool("predict", class_run.folder, "--input", class_run.table)
    assert (code, "--output  predictions.csv cannot be written (No space left on device)" in err) == (2, True)
    assert not (here / "predictions.csv").exists()


def test_an_input_that_does_not_look_like_the_training_is_told_in_one_line(class_run, tool, here):
    header, *rows = class_run.table.read_text().splitlines()
    (here / "same.csv").write_text("\n".join([header, *rows, *rows]) + "\n")
    older = [",".join([str(int(row.split(",")[0]) + 30), *row.split(",")[1:]]) for row in rows]
    (here / "older.csv").write_text("\n".join([header, *older, *older]) + "\n")
    assert tool("predict", class_run.folder, "--input", "same.csv").err == ""
    err = tool("predict", class_run.folder, "--input", "older.csv", "--output", "o.csv").err
    (line,) = err.splitlines()
    assert line.startswith("older.csv: drift: not as in training (population stability index): age (")
    (here / "few.csv").write_text("\n".join([header, *older[:50]]) + "\n")
    assert tool("predict", class_run.folder, "--input", "few.csv", "--output", "f.csv").err == ""


def test_parquet_and_excel_files_are_predicted_as_delimited_ones(class_run, tool, here):
    columns = read(class_run.table)
    frame = polars.read_csv(class_run.table, infer_schema_length=None)
    frame.write_parquet(here / "new.parquet")
    book = openpyxl.Workbook()
    for row in ([*frame.columns], *frame.rows()):
        book.active.append(row)
    book.save(here / "new.xlsx")
    predicted = lightune.load(class_run.folder).predict(columns).tolist()
    for name in ("new.parquet", "new.xlsx"):
        assert tool("predict", class_run.folder, "--input", name)[::2] == (0, "")
        assert [row["predicted"] for row in read(here / "predictions.csv")] == predicted


def test_sets_and_rejections_stand_beside_the_probabilities(class_run, tool, here):
    words = ["--sets", "0.9", "--reject", "confidence", "--reject-rate", "0.2"]
    code, _, err = tool("predict", class_run.folder, "--input", class_run.table, *words)
    lines = read(here / "predictions.csv")
    assert (code, list(lines[0])[-3:]) == (0, ["set", "outlier", "rejected"])
    left = read_validation(class_run.folder)
    wanted = Sets([(left.predicted, left.targets)], 0.9, ["old", "young"])
    predicted = torch.from_numpy(lightune.load(class_run.folder).predict_proba(read(class_run.table)))
    assert [[line["set"]] for line in lines] == list(wanted.cells(predicted, predicted))
    rejected = sum(line["rejected"] == "true" for line in lines)
    assert err == f"{rejected} of them rejected by confidence\n"
    assert {line["rejected"] for line in lines if float(line["outlier"]) == 0} <= {"false"}


def test_intervals_stand_beside_values_and_hold_most_of_them(value_run, tool, here):
    assert tool("predict", value_run.folder, "--input", value_run.table, "--interval", "0.8").code == 0
    lines = read(here / "predictions.csv")
    assert list(lines[0]) == ["row", "predicted", "lower", "upper"]
    middles = [(float(line["lower"]) + float(line["upper"])) / 2 for line in lines]
    assert middles == pytest.approx([float(line["predicted"]) for line in lines], abs=1e-3)
    truth = [float(line["value"]) for line in read(value_run.table)]
    inside = [
        float(line["lower"]) <= value <= float(line["upper"]) for line, value in zip(lines, truth, strict=True)
    ]
    assert 0.6 < sum(inside) / len(inside) <= 1


def test_distances_are_computed_once_from_the_data_and_then_kept_with_the_run(fold_run, tool, here):
    run = shutil.copytree(fold_run.folder, here / "run")
    table, aside = fold_run.table, fold_run.table.with_suffix(".aside")
    words = ["predict", run, "--input", here / "new.csv", "--reject", "distance"]
    (here / "new.csv").write_text("age,height,city\n40,170,Rome\n9000,9000,Rome\n")
    table.rename(aside)
    try:
        code, _, err = tool(*words)
        assert code == 2
        assert (
            "--reject distance  is fitted on the run's validation part: there is no sound features_val.npz" in err
        )
        assert "its data cannot be read here (data.path: there is no " in err
        assert not (here / "predictions.csv").exists()
        aside.rename(table)
        assert tool(*words).code == 0
        first = (here / "predictions.csv").read_bytes()
        table.rename(aside)
        assert tool(*words).code == 0
        assert (here / "predictions.csv").read_bytes() == first
    finally:
        if aside.exists():
            aside.rename(table)
    ordinary, strange = read(here / "predictions.csv")
    assert (ordinary["rejected"], strange["rejected"]) == ("false", "true")
    assert float(strange["outlier"]) > 10 * float(ordinary["outlier"])
    with np.load(run / "features_val.npz") as kept:
        assert [kept[name].shape[1] for name in kept.files] == [8, 8, 8]
    assert tool("predict", run / "fits" / "1", *words[2:]).code == 0


def test_another_checkpoint_is_calibrated_from_the_data(class_run, tool, here):
    words = ["predict", class_run.folder, "--input", class_run.table, "--sets", "0.8"]
    assert tool(*words, "--checkpoint", "last").code == 0
    left = shutil.copytree(class_run.folder, here / "copy")
    (left / "predictions_val.npz").unlink()
    assert tool(*words).code == 0
    best = (here / "predictions.csv").read_bytes()
    assert tool("predict", left, *words[2:]).code == 0
    assert (here / "predictions.csv").read_bytes() == best


@pytest.mark.parametrize(
    ("run", "words", "why"),
    [
        ("class_run", ["--interval", "0.9"], "--interval  is for values, and the run predicts classes; --sets is"),
        ("value_run", ["--sets", "0.9"], "--sets  is for classes, and the run predicts values; --interval is"),
        (
            "value_run",
            ["--reject", "confidence"],
            "--reject  confidence is for classes, and the run predicts values",
        ),
        ("class_run", ["--reject-rate", "0.1"], "--reject-rate  is for --reject confidence and --reject distance"),
        (
            "class_run",
            ["--sets", "0.999"],
            "--sets  0.999 takes at least 999 samples of the validation part, and there",
        ),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_certainty_that_does_not_fit_is_refused(run, words, why, request, tool, here):
    run = request.getfixturevalue(run)
    code, _, err = tool("predict", run.folder, "--input", run.table, *words)
    assert (code, why in err) == (2, True), err
    assert not (here / "predictions.csv").exists()


def test_values_of_pictures_are_written_in_the_unit_of_the_target_with_intervals(picture_value_run, tool, here):
    code, out, _ = tool(
        "predict", picture_value_run.folder, "--input", picture_value_run.source, "--interval", "0.5"
    )
    assert (code, out) == (0, "40 predictions of target in predictions.csv\n")
    lines = read(here / "predictions.csv")
    assert list(lines[0]) == ["file", "predicted", "lower", "upper"]
    values = {line["file"]: float(line["predicted"]) for line in lines}
    dark, bright = ([value for file, value in values.items() if f"/{name}/" in file] for name in ("cat", "dog"))
    assert max(dark) < 550 < min(bright)


@pytest.mark.parametrize("pos_label", ["old", "young"])
def test_the_threshold_and_the_figures_are_about_the_positive_class(pos_label, tool, here):
    run = train_on_table(
        here, "data=csv", "data.target=class", "data.ignore=[value]", f"data.pos_label={pos_label}"
    )
    assert json.loads((run.folder / "data.json").read_text())["positive"] == pos_label
    (own,) = [line for line in read(run.folder / "classes_test.csv") if line["class"] == pos_label]
    measured = read_result(run.folder).metrics
    for name in ("precision", "recall", "f1"):
        assert measured[f"test/{name}"] == pytest.approx(float(own[name]), abs=1e-5)
    assert tool("predict", run.folder, "--input", run.table, "--threshold", "0.001").code == 0
    assert {line["predicted"] for line in read(here / "predictions.csv")} == {pos_label}
