"""Projects that move in: each trains by itself before, and here afterwards, with what its page says is gained."""

import filecmp
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lightune import compose, resume, train, trust
from lightune.config import trust as trusted

pytestmark = pytest.mark.long

MOVING = Path(__file__).parents[1] / "examples" / "moving"
SHORT = ["experiment=moved", "trainer=cpu", "trainer.max_epochs=2", "logger=none"]


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """Train in a copy of a project that has moved; its modules, trust and search path are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(trusted, "_added", [])
    monkeypatch.chdir(tmp_path)
    modules = []

    def enter(name):
        shutil.copytree(MOVING / name / "after", tmp_path, dirs_exist_ok=True)
        modules.extend(path.stem for path in tmp_path.glob("*.py"))
        trust(*modules)
        return lambda *words: train(compose([*SHORT, *words], config_dir=tmp_path / "conf"))

    yield enter
    for module in modules:
        sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("pytorch", ["train.py", "--epochs", "1"]),
        ("lightning_cli", ["main.py", "fit", "--config", "config.yaml", "--trainer.max_epochs", "1"]),
        ("hydra_template", ["train.py", "trainer.max_epochs=1"]),
    ],
)
def test_before_it_trains_by_itself(name, command, tmp_path):
    if name == "lightning_cli" and importlib.util.find_spec("jsonargparse") is None:
        pytest.skip("LightningCLI needs jsonargparse")
    shutil.copytree(MOVING / name / "before", tmp_path, dirs_exist_ok=True)
    ended = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("name", "objective", "tested"),
    [
        ("pytorch", "val/accuracy", "test/accuracy"),
        ("lightning_cli", "val_acc", "test_acc"),
        ("hydra_template", "val/acc", "test/acc"),
    ],
)
def test_after_it_trains_is_tested_and_goes_on(name, objective, tested, moved):
    result = moved(name)()
    assert (result.objective.metric, tested in result.metrics) == (objective, True)
    assert result.provenance["data"]
    longer = resume(result.run_dir, ["trainer.max_epochs=3"])
    assert (longer.epochs, longer.run_dir) == (3, result.run_dir)


@pytest.mark.parametrize("name", ["pytorch", "lightning_cli", "hydra_template"])
def test_after_it_is_divided_into_folds(name, moved):
    result = moved(name)("validation=kfold", "validation.k=2")
    assert [fold.index for fold in result.folds] == [0, 1]
    assert result.folds[0].objective.value != result.folds[1].objective.value


def test_one_line_more_and_a_test_leaves_predictions_and_an_interval(moved):
    result = moved("lightning_cli")()
    interval = result.intervals["test_acc"]
    assert interval.low < result.metrics["test_acc"] < interval.high
    assert (result.run_dir / "predictions.csv").is_file()
    before = (MOVING / "lightning_cli" / "before" / "digits.py").read_text().splitlines()
    after = (MOVING / "lightning_cli" / "after" / "digits.py").read_text().splitlines()
    assert [line.strip() for line in after if line not in before] == [
        '"""Measure a batch, and tell what is predicted."""',
        'return self._step(batch, "test")[1].softmax(dim=1)',
    ]


def test_without_it_the_run_says_what_is_lacking(moved, capsys):
    moved("hydra_template")()
    said = capsys.readouterr().out
    assert "WineLitModule.test_step returns no predictions; to have them, return class probabilities" in said


def test_the_module_of_the_template_is_the_same_file():
    files = [MOVING / "hydra_template" / when / "module.py" for when in ("before", "after")]
    assert filecmp.cmp(*files, shallow=False)
