"""The examples train as their pages say, and beat their baselines."""

import shutil
import sys
from pathlib import Path

import pytest

from lightune import compose, train, trust
from lightune.config import trust as trusted
from lightune.run import prepare

pytestmark = pytest.mark.long

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Work in a copy of an example's folder; its modules, trust and search path are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(trusted, "_added", [])
    monkeypatch.chdir(tmp_path)
    modules = []

    def enter(name):
        shutil.copytree(EXAMPLES / name, tmp_path, dirs_exist_ok=True)
        modules.extend(path.stem for path in tmp_path.glob("*.py"))
        trust(*modules)

    yield enter
    for module in modules:
        sys.modules.pop(module, None)


def test_an_example_is_at_most_four_short_files():
    for folder in (each for each in EXAMPLES.iterdir() if each.name != "moving"):  # tests/test_moving.py
        files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert len(files) <= 4
        assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 120 for path in files)


def test_factors_predict_ratings_better_than_means_of_people_and_films_do(example, tmp_path):
    example("recommendation")
    rmse = {}
    for factors in (0, 8):
        words = [
            "data=ratings",
            f"task.factors={factors}",
            "trainer.accelerator=cpu",
            f"output_root={tmp_path}/out",
        ]
        rmse[factors] = train(compose(words, config_dir=tmp_path)).metrics["test/rmse"]
    assert rmse[8] < 0.75 * rmse[0]


def test_attention_translates_more_dates_than_the_last_state_alone_does(example, tmp_path):
    example("translation")
    right = {}
    for attention in ("false", "true"):
        words = ["data=dates", f"task.attention={attention}", "data.phrases=2000", "trainer.max_epochs=15"]
        cfg = compose([*words, "trainer.accelerator=cpu", f"output_root={tmp_path}/out"], config_dir=tmp_path)
        right[attention] = train(cfg).metrics["test/exact_match"]
    assert right["true"] > 0.8
    assert right["true"] > right["false"] + 0.3


@pytest.mark.slow
def test_a_detector_finds_more_than_connected_pixels_do(example, tmp_path):
    pytest.importorskip("pycocotools")
    example("detection")
    words = ["data=scenes", "trainer.max_epochs=6", "trainer.accelerator=cpu", f"output_root={tmp_path}/out"]
    cfg = compose(words, config_dir=tmp_path)
    found = train(cfg).metrics["test/map"]
    from detection import MeanAveragePrecision, blobs, told

    metric = MeanAveragePrecision()
    for pictures, truth in prepare(cfg).data.test_dataloader():
        metric.update(list(map(blobs, pictures)), told(truth))
    assert found > metric.compute()["map"] + 0.1
