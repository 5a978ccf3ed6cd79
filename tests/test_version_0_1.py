"""Runs and studies that version 0.1 left are continued to the figures that it would have reached itself.

`fixtures/version_0_1/make.py` made them with that version.
"""

import importlib.util
import json
import tarfile
from pathlib import Path

import pytest
import torch
from command_line import run_tool, run_train
from studies import result_of, rows

from lightune.checkpoints import read_checkpoint
from lightune.paths import conf_dir
from lightune.run import prepare
from lightune.training.resumption import load_run_config

pytestmark = pytest.mark.long

HERE = Path(__file__).parent / "fixtures" / "version_0_1"
EXPECTED = json.loads((HERE / "expected.json").read_text())


def made_with():
    spec = importlib.util.spec_from_file_location("make_version_0_1", HERE / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE = made_with()


@pytest.fixture
def left(tmp_path, monkeypatch):
    """Unpack what was left into the test's own folder, and work there."""
    with tarfile.open(HERE / "outputs.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    for file in tmp_path.rglob("*"):
        if file.suffix in (".json", ".yaml", ".csv", ".log") and file.is_file():
            text = file.read_text()
            filled = text.replace("<HERE>", str(tmp_path)).replace("<CHECKOUT>/conf", str(conf_dir()))
            if filled != text:
                file.write_text(filled)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def run_of(name):
    (folder,) = Path("outputs/runs", name).iterdir()
    return folder


def require_as_expected(folder):
    content, expected = result_of(folder), EXPECTED[str(folder)]
    assert (content["status"], content["epochs"], content["steps"]) == (
        expected["status"],
        expected["epochs"],
        expected["steps"],
    )
    assert content["objective"] == pytest.approx(expected["objective"], abs=1e-6)
    measured = {name: content["metrics"][name] for name in expected["metrics"]}  # there may be more by now
    assert measured == pytest.approx(expected["metrics"], abs=1e-6)


@pytest.mark.parametrize("name", ["killed", "folds"])
def test_a_run_that_was_killed_is_resumed(left, name):
    assert run_train(f"resume={run_of(name)}") == 0
    require_as_expected(run_of(name))


def test_what_knows_no_augmentation_varies_nothing(left):
    saved = [*Path("outputs").rglob(".hydra/config.yaml"), *Path("outputs/studies").glob("*/conf/*/train.yaml")]
    assert len(saved) > 5
    assert not any("augmentation" in file.read_text() for file in saved)
    cfg = load_run_config(run_of("finished"))
    assert "augmentation" not in cfg
    assert prepare(cfg).data.variation is None


def test_a_finished_run_is_lengthened(left):
    assert run_train(f"resume={run_of('finished')}", "trainer.max_epochs=15") == 0
    require_as_expected(run_of("finished"))


def test_a_finished_run_is_evaluated(left, capsys):
    measured = result_of(run_of("finished"))["metrics"]
    assert run_tool("evaluate", run_of("finished"), "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures == pytest.approx({name: measured[name] for name in figures}, abs=1e-6)
    assert len(figures) > 3


def test_a_study_that_was_killed_is_continued(left):
    study = Path("outputs/studies/killed")
    finished = {path: path.read_bytes() for path in (study / "trials/0").rglob("*") if path.is_file()}
    assert run_train(*MADE.STUDY) == 0
    assert [row["state"] for row in rows(study)] == ["early_stopped", "completed", "completed"]
    for number in range(3):
        require_as_expected(study / "trials" / str(number))
    assert {path: path.read_bytes() for path in finished} == finished


def test_a_finished_study_is_extended(left):
    study = Path("outputs/studies/finished")
    before = [result_of(study / "trials" / str(number)) for number in range(2)]
    assert run_train(*MADE.FINISHED_STUDY, "search.n_trials=4") == 0
    assert len(rows(study)) == 4
    assert [result_of(study / "trials" / str(number)) for number in range(2)] == before
    for number in range(4):
        require_as_expected(study / "trials" / str(number))


def test_the_checkpoints_of_then_are_read(left):
    files = sorted(Path("outputs").rglob("*.ckpt"))
    assert len(files) > 10
    assert all("state_dict" in read_checkpoint(file) for file in files)
