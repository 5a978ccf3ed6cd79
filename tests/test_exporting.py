import csv
import io
import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from scipy.io import wavfile

import lightune
from lightune import exporting
from lightune.errors import ConfigError
from lightune.exporting import export

pytestmark = pytest.mark.long


def session_of(file):
    return onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])


def about(file):
    return json.loads({each.key: each.value for each in onnx.load(file).metadata_props}["lightune"])


def columns_of(table):
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = {name: np.array([float(row[name] or "nan") for row in rows]) for name in ("age", "height")}
    return rows, {**numbers, "city": np.array([row["city"] for row in rows], dtype=object)}


@pytest.mark.parametrize("kind", ["class_run", "fold_run"])
def test_onnx_takes_columns_of_a_table_and_names_classes(kind, request, tmp_path):
    run, file = request.getfixturevalue(kind), tmp_path / "m.onnx"
    made = export(run.folder, file)
    assert (made.networks, made.samples) == (1 if kind == "class_run" else 3, 64)
    assert made.difference < 1e-6
    rows, columns = columns_of(run.table)
    columns["city"][:3] = ["Paris", "", "?"]
    rows[0]["city"], rows[1]["city"], rows[2]["city"] = "Paris", "", "?"
    predicted, probabilities = session_of(file).run(["predicted", "probabilities"], columns)
    predictor = lightune.load(run.folder)
    assert predicted.tolist() == predictor.predict(rows).tolist()
    assert probabilities == pytest.approx(predictor.predict_proba(rows), abs=1e-6)


def test_onnx_predicts_values_in_the_unit_of_the_target(value_run, tmp_path):
    export(value_run.folder, tmp_path / "m.onnx")
    rows, columns = columns_of(value_run.table)
    (predicted,) = session_of(tmp_path / "m.onnx").run(None, columns)
    assert predicted == pytest.approx(lightune.load(value_run.folder).predict(rows), rel=1e-5)
    assert predicted.min() > 40  # of 40.5 to 120.5


def test_onnx_takes_pictures_of_any_size(picture_run, tmp_path):
    made = export(picture_run.folder, tmp_path / "m.onnx")
    assert made.samples == 40
    session = session_of(tmp_path / "m.onnx")
    for size in ((8, 8), (31, 17), (5, 90)):
        file = tmp_path / "p.png"
        pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
        (names, said) = session.run(None, {"pixels": np.stack([pixels.transpose(2, 0, 1)] * 2)})
        wanted = lightune.load(picture_run.folder).predict_proba([file] * 2)
        assert said == pytest.approx(wanted, abs=1e-5)
        assert names.tolist() == lightune.load(picture_run.folder).predict([file] * 2).tolist()


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.1371])
def test_onnx_takes_waveforms_of_any_length(sound_run, tmp_path, seconds, sound_file):
    wave = np.sin(np.arange(int(8000 * seconds)) / 3).astype(np.float32) / 2
    wavfile.write(tmp_path / "s.wav", 8000, wave)
    said = session_of(sound_file).run(["probabilities"], {"waves": wave[None]})[0]
    assert said == pytest.approx(lightune.load(sound_run.folder).predict_proba([tmp_path / "s.wav"]), abs=1e-5)


@pytest.fixture(scope="module")
def sound_file(sound_run, tmp_path_factory):
    file = tmp_path_factory.mktemp("sound") / "m.onnx"
    export(sound_run.folder, file)
    return file


def test_onnx_takes_texts_as_numbers_of_tokens_that_its_metadata_name(text_run, tmp_path):
    export(text_run.folder, tmp_path / "m.onnx")
    samples = about(tmp_path / "m.onnx")["samples"]
    number = {token: place for place, token in enumerate(samples["vocabulary"])}
    texts = ["the purr meow", "bark never seen n0"]
    tokens = [[number.get(token, -2) for token in text.split()] for text in texts]
    padded = np.array([row + [-1] * (6 - len(row)) for row in tokens], dtype=np.int64)
    (said,) = session_of(tmp_path / "m.onnx").run(["probabilities"], {"tokens": padded})
    assert said == pytest.approx(lightune.load(text_run.folder).predict_proba(texts), abs=1e-6)


def test_a_program_takes_a_mapping_of_columns_with_codes_of_categories(class_run, tmp_path):
    export(class_run.folder, tmp_path / "m.pt2", to="torch_export")
    extra = {"lightune": ""}
    module = torch.export.load(tmp_path / "m.pt2", extra_files=extra).module()
    told = json.loads(extra["lightune"])
    rows, columns = columns_of(class_run.table)
    (city,) = [each for each in told["inputs"] if each["name"] == "city"]
    assert (city["dtype"], city["codes"]["Oslo"], city["codes"][""], city["default"]) == ("int64", 1, -1, -2)
    columns["city"] = np.array([city["codes"].get(text, city["default"]) for text in columns["city"]])
    said = module({name: torch.from_numpy(values) for name, values in columns.items()})
    predictor = lightune.load(class_run.folder)
    assert said["probabilities"].detach().numpy() == pytest.approx(predictor.predict_proba(rows), abs=1e-6)
    assert [told["classes"][place] for place in said["predicted"].tolist()] == predictor.predict(rows).tolist()


def test_the_metadata_say_what_goes_in_and_what_comes_out(class_run, tmp_path):
    export(class_run.folder, tmp_path / "m.onnx")
    told = about(tmp_path / "m.onnx")
    assert told["classes"] == ["old", "young"]
    assert told["outputs"] == ["predicted", "probabilities"]
    assert [(each["name"], each["dtype"], each["shape"]) for each in told["inputs"]] == [
        ("age", "float64", ["N"]),
        ("height", "float64", ["N"]),
        ("city", "string", ["N"]),
    ]
    assert (told["kind"], told["problem"], told["target"]) == ("table", "classification", "class")
    assert told["version"] == onnx.load(tmp_path / "m.onnx").producer_version
    assert told["samples"] == lightune.load(class_run.folder).schema


def test_without_the_preparation_it_takes_prepared_samples(class_run, fold_run, tmp_path):
    export(class_run.folder, tmp_path / "m.onnx", prepares=False)
    predictor = lightune.load(class_run.folder)
    (given,) = session_of(tmp_path / "m.onnx").get_inputs()
    assert (given.name, given.shape[1:]) == ("inputs", list(predictor.input_shape))
    assert about(tmp_path / "m.onnx")["preparation"] is False
    with pytest.raises(ConfigError, match=r"the run has 3, each with its own preparation; name one: .*/fits/0"):
        export(fold_run.folder, tmp_path / "n.onnx", prepares=False)
    assert export(fold_run.folder / "fits" / "1", tmp_path / "n", to="torch_export", prepares=False).networks == 1


@pytest.mark.parametrize("kind", ["class_run", "text_run"])
def test_a_run_whose_data_are_gone_is_compared_on_made_up_samples(kind, request, tmp_path):
    run = request.getfixturevalue(kind)
    moved = shutil.copytree(run.folder, tmp_path / "moved")
    config = moved / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace(str(run[1]), "/nowhere"))
    made = export(moved, tmp_path / "m.pt2", to="torch_export")
    assert (made.samples, made.difference < 1e-5) == (0, True)


def test_a_network_that_predicts_something_else_is_not_written(class_run, tmp_path, monkeypatch):
    as_it_was = exporting.run_program

    def wrong(*given):
        answers = as_it_was(*given)
        answers[-1].probabilities[0] += 2e-4
        return answers

    monkeypatch.setattr(exporting, "run_program", wrong)
    with pytest.raises(ConfigError, match=r"it differs by 0.0002 of a probability, more than 0.0001; nothing was"):
        export(class_run.folder, tmp_path / "m.pt2", to="torch_export")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(class_run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(
        ConfigError, match=r"needs onnxscript, which is not installed; pip install 'lightune\[export"
    ):
        export(class_run.folder, tmp_path / "m.onnx")


def test_a_program_of_pictures_is_read_back_by_torch_alone(picture_run, tmp_path):
    export(picture_run.folder, tmp_path / "m.pt2", to="torch_export")
    module = torch.export.load(io.BytesIO((tmp_path / "m.pt2").read_bytes())).module()
    pixels = torch.randint(0, 256, (5, 3, 21, 13)).byte()
    said = module(pixels)["probabilities"].detach().numpy()
    assert said == pytest.approx(lightune.load(picture_run.folder).predict_proba(list(pixels)), abs=1e-5)


def test_onnx_predicts_values_of_pictures_of_any_size(picture_value_run, tmp_path):
    export(picture_value_run.folder, tmp_path / "m.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (17, 31, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    (said,) = session_of(tmp_path / "m.onnx").run(None, {"pixels": pixels.transpose(2, 0, 1)[None]})
    assert said == pytest.approx(lightune.load(picture_value_run.folder).predict([tmp_path / "p.png"]), rel=1e-4)
    assert about(tmp_path / "m.onnx")["problem"] == "regression"
