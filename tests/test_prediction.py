import csv
import shutil
import sys

import numpy as np
import pytest
import torch

import lightune
from lightune.checkpoints import read_checkpoint
from lightune.config.compose import compose
from lightune.errors import CheckpointError, ConfigError
from lightune.reporting.predictions import read_predictions

SAMPLES = {"age": [25, 55, 40], "height": [180, None, 165], "city": ["Rome", "Bonn", "Paris"]}


@pytest.mark.parametrize("kind", ["class_run", "value_run"])
def test_a_run_predicts_what_its_test_predicted(kind, request):
    run = request.getfixturevalue(kind)
    (tested,) = read_predictions(run.folder)
    with run.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [rows[row] for row in tested.rows.tolist()]
    predictor = lightune.load(run.folder)
    if kind == "class_run":
        assert predictor.classes == ["old", "young"]
        predicted = predictor.predict_proba(chosen)
        assert predictor.predict(chosen).tolist() == [predictor.classes[p] for p in tested.predicted.argmax(1)]
    else:
        predicted = predictor.predict(chosen)[:, None]
    assert predicted == pytest.approx(tested.predicted.numpy(), rel=1e-5)


@pytest.mark.parametrize("kind", ["picture_run", "sound_run"])
def test_a_run_predicts_from_files_what_its_test_predicted(kind, request):
    run = request.getfixturevalue(kind)
    (tested,) = read_predictions(run.folder)
    files = sorted(
        path for path in run.source.rglob("*") if path.is_file()
    )  # one part, in the order of their names
    chosen = [files[row] for row in tested.rows.tolist()]
    predictor = lightune.load(run.folder)
    assert predictor.classes == ["cat", "dog"]
    assert predictor.predict_proba(chosen) == pytest.approx(tested.predicted.numpy(), abs=1e-5)
    assert [str(file.parent.name) for file in chosen] == [predictor.classes[label] for label in tested.targets]


def test_a_run_predicts_from_texts_what_its_test_predicted(text_run):
    (tested,) = read_predictions(text_run.folder)
    with text_run.source.open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    chosen = [texts[row] for row in tested.rows.tolist()]
    predicted = lightune.load(text_run.folder).predict_proba(chosen)
    assert predicted == pytest.approx(tested.predicted.numpy(), abs=1e-6)


@pytest.mark.parametrize("kind", ["picture_run", "sound_run", "text_run"])
def test_a_run_on_files_predicts_without_them(kind, request, tmp_path):
    run = request.getfixturevalue(kind)
    shutil.copytree(run.folder, tmp_path / "moved")
    config = tmp_path / "moved" / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace(str(run.source), "/nowhere"))
    one = (
        ["a new text"] if kind == "text_run" else [next(path for path in run.source.rglob("*") if path.is_file())]
    )
    moved, here = (lightune.load(folder).predict_proba(one) for folder in (tmp_path / "moved", run.folder))
    assert np.array_equal(moved, here)


def test_a_turned_picture_is_predicted_upright(picture_run, tmp_path):
    from PIL import Image

    upright = Image.open(next((picture_run.source / "cat").iterdir()))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(tmp_path / "upright.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    first, second = lightune.load(picture_run.folder).predict_proba(sorted(tmp_path.glob("*.png")))
    assert np.array_equal(first, second)


def test_a_run_predicts_without_its_data(class_run, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(class_run.folder, moved)
    here = lightune.load(class_run.folder).predict_proba(SAMPLES)
    config = moved / ".hydra" / "config.yaml"
    assert str(class_run.table) in config.read_text()
    config.write_text(config.read_text().replace(str(class_run.table), "/nowhere/people.csv"))
    assert np.array_equal(lightune.load(moved).predict_proba(SAMPLES), here)


def test_folds_predict_their_mean(fold_run):
    alone = [lightune.load(fold_run.folder / "fits" / str(fold)).predict_proba(SAMPLES) for fold in range(3)]
    together = lightune.load(fold_run.folder)
    assert len(together.networks) == 3
    assert together.predict_proba(SAMPLES) == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    assert not np.array_equal(alone[0], alone[1])


def test_the_last_weights_and_those_of_a_file_can_be_asked_for(class_run):
    file = class_run.folder / "checkpoints" / "last.ckpt"
    last = lightune.load(class_run.folder, checkpoint="last").predict_proba(SAMPLES)
    assert np.array_equal(lightune.load(class_run.folder, checkpoint=str(file)).predict_proba(SAMPLES), last)


def test_what_cannot_predict_is_refused(class_run, tmp_path):
    with pytest.raises(ConfigError, match="is no run"):
        lightune.load(tmp_path)
    with pytest.raises(ConfigError, match="must be best, last, or a file, got first"):
        lightune.load(class_run.folder, checkpoint="first")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="there is no GPU here"):
            lightune.load(class_run.folder, device="cuda")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, "holds no preparation"),
        ({}, "its preparation cannot be read"),
        ({"num_classes": 2, "num_targets": 0, "input_shape": [3], "cardinalities": []}, "cannot be read"),
        ("other kind", "unknown kind: 'other'"),
        ("other weights", "its preparation cannot be read"),
    ],
)
def test_a_checkpoint_that_holds_something_else_is_refused(class_run, tmp_path, broken, message):
    content = read_checkpoint(class_run.folder / "checkpoints" / "best.ckpt")
    if broken is None:
        del content["lightune"]
    elif broken == "other kind":
        content["lightune"]["preparation"] = {"kind": "other"}
    elif broken == "other weights":
        content["lightune"]["preparation"]["fill"] = "text"
    else:
        content["lightune"] = broken
    file = tmp_path / "c.ckpt"
    torch.save(content, file)
    with pytest.raises(CheckpointError, match=message):
        lightune.load(class_run.folder, checkpoint=str(file))


def test_images_predict_from_arrays(tmp_path):
    words = ["trainer.max_epochs=1", "model.units=8", "logger=none", f"output_root={tmp_path}"]
    result = lightune.train(compose(words))
    (tested,) = read_predictions(result.run_dir)
    from lightune.data import Digits

    images = Digits().load().inputs[tested.rows]
    predictor = lightune.load(result.run_dir)
    assert predictor.predict_proba(images) == pytest.approx(tested.predicted.numpy(), abs=1e-6)
    assert predictor.predict(images[:1]).tolist()[0] in predictor.classes == list(map(str, range(10)))
    with pytest.raises(ValueError, match=r"must have shape \(N, 1, 8, 8\)"):
        predictor.predict(images[:, :, :4])


def test_a_package_that_cuts_texts_and_is_missing_is_named(text_run, monkeypatch):
    content = read_checkpoint(text_run.folder / "checkpoints" / "best.ckpt")
    content["lightune"]["samples"]["tokenizer"] = "{}"
    monkeypatch.setattr("lightune.prediction.read_checkpoint", lambda _: content)
    with pytest.raises(ConfigError, match="is no tokenizer"):
        lightune.load(text_run.folder)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError, match="needs tokenizers, which is not installed; pip install"):
        lightune.load(text_run.folder)


def test_a_column_stays_what_training_made_of_it_whatever_a_later_file_holds(class_run):
    predictor = lightune.load(class_run.folder)
    rows = {"height": [170, 170, 170, 170], "city": ["Rome"] * 4}
    whole, decimals, texts = (
        {**rows, "age": ages}
        for ages in ([30, 31, 30, 40], [30.0, 31.0, 30.0, 40.0], ["30", "31.0", " 30", "4e1"])
    )
    wanted = predictor.predict_proba(whole)
    assert (predictor.predict_proba(decimals) == wanted).all()
    assert (predictor.predict_proba(texts) == wanted).all()
    assert (predictor.predict_proba({**rows, "age": [None, 31, 30, 40]})[1:] == wanted[1:]).all()
