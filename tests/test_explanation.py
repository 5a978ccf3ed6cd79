"""What predictions are due to: measured and drawn from what a run has kept."""

import csv
import re

import numpy as np
import pytest
import torch
from media import write_picture, write_table
from PIL import Image
from refusals import problem_of

from lightune import compose, load, train
from lightune.data import Digits
from lightune.errors import ConfigError
from lightune.explanation import explain_columns, explain_images, kind_of
from lightune.inference.attribution import gradient_times_input

SHORT = ["trainer=cpu", "logger=none", "test=false"]


def told_by(folder, column, rows=300):
    """Write a table whose class hangs on one column of three."""
    chance = np.random.default_rng(0)
    lines = ["first,second,kind,class"]
    for _ in range(rows):
        first, second = chance.normal(size=2)
        kind = chance.choice(["a", "b"])
        says = {"first": first > 0, "kind": kind == "a"}[column]
        lines.append(f"{first:.4f},{second:.4f},{kind},{'yes' if says else 'no'}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


def run_on(table, *words):
    shared = [
        f"data.path={table}",
        "data=csv",
        "data.target=class",
        "model.units=16",
        f"output_root={table.parent}",
    ]
    return train(compose([*shared, *SHORT, "trainer.max_epochs=15", "optimizer.lr=0.01", *words])).run_dir


@pytest.mark.parametrize("column", ["first", "kind"])
def test_the_column_that_tells_the_class_is_the_most_important(tmp_path, column):
    run = run_on(told_by(tmp_path, column))
    found = explain_columns(run)
    assert found.metric == "accuracy"
    assert found.columns[0] == column
    assert found.mean[0] > 0.3 > 5 * abs(found.mean[1:]).max()
    assert found.std[0] > 0
    with (run / "explain" / "importance.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["column", "importance", "std"]
    assert [row[0] for row in rows] == found.columns
    assert [float(row[1]) for row in rows] == pytest.approx(found.mean.tolist(), rel=1e-5)


def test_it_is_measured_on_new_rows_and_by_another_figure(tmp_path):
    table = told_by(tmp_path, "first")
    run = run_on(table)
    found = explain_columns(run, paths=[table], metric="loss", repeats=2)
    assert (found.metric, found.rows, found.columns[0]) == ("loss", 300, "first")
    assert found.mean[0] > 0.1
    assert explain_columns(run, paths=[table], metric="loss", repeats=2).mean.tolist() == found.mean.tolist()
    table.unlink()
    with pytest.raises(ConfigError, match=r"reads the run's validation part, and its data cannot be read here"):
        explain_columns(run)


def test_of_folds_each_is_judged_on_its_own_rows(tmp_path):
    run = run_on(told_by(tmp_path, "first"), "validation=kfold", "validation.k=3")
    found = explain_columns(run, repeats=2)
    assert found.columns[0] == "first"
    assert found.rows > 200  # each row but those of the test is in one validation part
    assert 60 < explain_columns(run / "fits" / "1", repeats=2).rows < 110


def test_data_without_names_have_numbers(tmp_path):
    run = train(compose(["data=diabetes", *SHORT, "trainer.max_epochs=2", f"output_root={tmp_path}"])).run_dir
    found = explain_columns(run, repeats=1)
    assert found.metric == "rmse"
    assert sorted(found.columns) == sorted(f"column {place}" for place in range(10))


def test_what_cannot_be_measured_is_refused(class_run, text_run, sound_run):
    assert kind_of(class_run.folder) == "table"
    key, message = problem_of(explain_columns, class_run.folder, metric="speed")
    assert (key, message.partition(", got")[2]) == ("--metric", " speed")
    for run, what in ((text_run, "texts"), (sound_run, "sounds")):
        key, message = problem_of(kind_of, run.folder)
        assert (key, message) == (
            "--inputs",
            f"explains columns of tables and pixels of images, and the run reads {what}",
        )
    one = class_run.table.parent / "one.csv"
    write_table(one, rows=1)
    key, message = problem_of(explain_columns, class_run.folder, paths=[one])
    assert "deals columns out among rows, and there is 1 row" in message


def test_images_are_drawn_beside_what_speaks_for_their_class(picture_run, tmp_path):
    assert kind_of(picture_run.folder) == "image"
    found = explain_images(picture_run.folder, samples=3, device="cpu")
    assert len(found.files) == len(found.names) == len(found.predicted) == len(found.targets) == 3
    assert set(found.targets) <= {"cat", "dog"}
    folder = picture_run.folder / "explain"
    assert all(np.asarray(Image.open(folder / file)).std() > 0 for file in found.files)
    with (folder / "pictures.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["picture", "image", "predicted", "target"]
    assert [row[0] for row in rows] == found.files
    new = write_picture(tmp_path / "a b;c.png", 5)
    found = explain_images(picture_run.folder, paths=[new], device="cpu")
    assert found.names == [str(new)]
    assert found.targets == []
    assert re.fullmatch(r"pictures/000_a_b_c\.png", found.files[0])


def test_red_pixels_are_those_that_the_class_hangs_on(tmp_path):
    """Of digits, a pixel that is hidden changes the network's output as its attribution says."""
    words = ["data=digits", "model.units=32", *SHORT, "trainer.max_epochs=10", f"output_root={tmp_path}"]
    run = train(compose(words)).run_dir
    predictor, raw = load(run), Digits().samples.inputs[:20]
    found, predicted = gradient_times_input(predictor.network, raw, of_classes=True)
    classes = predicted.argmax(dim=1)
    flat = found.flatten(1)
    best, worst = flat.argmax(dim=1), flat.argmin(dim=1)
    neutral = predictor.preparation.shift.expand_as(raw[0]).flatten()
    with torch.no_grad():

        def hidden(places):
            changed = raw.flatten(1).clone()
            changed[torch.arange(20), places] = neutral[places]
            outputs = predictor.network.network(predictor.preparation(changed.view_as(raw)))
            return outputs[torch.arange(20), classes]

        whole = predictor.network.network(predictor.preparation(raw))[torch.arange(20), classes]
        assert (hidden(best) < whole).float().mean() > 0.9
        assert (hidden(worst) > whole).float().mean() > 0.7


def test_a_folder_that_cannot_be_written_to_is_refused(class_run, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lightune.explanation.write_whole", full)
    key, message = problem_of(explain_columns, class_run.folder, repeats=1)
    assert key == str(class_run.folder / "explain")
    assert message == "cannot be written (No space left on device)"
