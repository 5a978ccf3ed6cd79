import shutil
import statistics

import pytest
import torch
from omegaconf import OmegaConf
from refusals import problem_of

from lightune import compose, evaluate, evaluation, train
from lightune.config.trust import trust
from lightune.errors import CheckpointError, ConfigError

SHORT = ("trainer=cpu", "data=wine", "model.units=16", "metrics.bootstrap=0", "optimizer.lr=0.01", "logger=none")


def trained(folder, *overrides):
    return train(compose([*SHORT, f"output_root={folder}", *overrides]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Train three epochs; return the result."""
    return trained(tmp_path_factory.mktemp("whole"), "trainer.max_epochs=3")


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    """Train three folds; return the result."""
    return trained(tmp_path_factory.mktemp("folds"), "trainer.max_epochs=2", "validation=kfold", "validation.k=3")


@pytest.fixture
def run(whole, tmp_path):
    """Return a copy of the run's folder, to be changed."""
    return shutil.copytree(whole.run_dir, tmp_path / "run")


def figures(metrics, stage):
    return {name: value for name, value in metrics.items() if name.startswith(f"{stage}/")}


def content(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def change(run, **values):
    """Change values of a run's configuration, by their dotted keys."""
    file = run / ".hydra" / "config.yaml"
    cfg = OmegaConf.load(file)
    for key, value in values.items():
        OmegaConf.update(cfg, key.replace("__", "."), value, force_add=True)
    OmegaConf.save(cfg, file)


def test_evaluate_gives_the_test_metrics_again_exactly(whole):
    assert evaluate(whole.run_dir) == figures(whole.metrics, "test") != {}
    assert evaluate(whole.run_dir, split="val") == figures(whole.metrics, "val") != {}


def test_several_fits_are_measured_each_on_its_own_rows_and_have_a_mean(folds):
    assert evaluate(folds.run_dir) == figures(folds.metrics, "test") != {}
    judged = evaluate(folds.run_dir, split="val")
    assert judged.keys() == figures(folds.folds[0].metrics, "val").keys()
    for name, value in judged.items():
        assert value == pytest.approx(statistics.fmean(fold.metrics[name] for fold in folds.folds))


def test_a_checkpoint_of_one_fold_is_measured_as_that_fold(folds, tmp_path):
    for fold in folds.folds:
        measured = evaluate(folds.run_dir, split="val", checkpoint=str(folds.run_dir / fold.checkpoint))
        assert measured == pytest.approx(figures(fold.metrics, "val"))
    elsewhere = shutil.copy(folds.run_dir / folds.folds[0].checkpoint, tmp_path)
    with pytest.raises(
        ConfigError, match=r"--checkpoint  must be one of .*/fits/\*/checkpoints/, for the run has 3"
    ):
        evaluate(folds.run_dir, checkpoint=str(elsewhere))


def test_the_checkpoint_that_was_asked_for_is_measured(run):
    for name in ("best", "last"):
        (run / "checkpoints" / f"{name}.ckpt.sha256").unlink()
    weights = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    zeros = {key: torch.zeros_like(value) for key, value in weights["state_dict"].items()}
    torch.save({**weights, "state_dict": zeros}, run / "checkpoints" / "last.ckpt")
    shutil.copy(run / "checkpoints" / "last.ckpt", run / "mine.ckpt")
    best, last = evaluate(run), evaluate(run, checkpoint="last")
    assert best["test/loss"] != last["test/loss"] == pytest.approx(torch.tensor(3.0).log().item())
    assert evaluate(run, checkpoint=str(run / "mine.ckpt")) == last


def test_measuring_writes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change(run, logger={"csv": compose(["logger=csv"]).logger.csv})
    before = content(tmp_path)
    evaluate(run)
    assert content(tmp_path) == before


def test_one_process_that_compiles_nothing_measures_whatever_trained_the_run(run, monkeypatch):
    class StopHereError(Exception):
        pass

    def stop(cfg):
        given.append(cfg.trainer)
        raise StopHereError

    given = []
    monkeypatch.setattr(evaluation, "prepare", stop)
    change(run, trainer={"devices": 2, "num_nodes": 2, "strategy": "ddp", "compile": "default"})
    with pytest.raises(StopHereError):
        evaluate(run)
    (trainer,) = given
    assert (trainer.devices, trainer.num_nodes, trainer.strategy, trainer.compile) == (1, 1, "auto", "none")


def test_evaluate_refuses_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ConfigError, match="is no run"):
        evaluate(tmp_path)


def test_a_checkpoint_that_is_not_there_is_refused(run):
    assert problem_of(evaluate, run, checkpoint="bset") == (
        "--checkpoint", "must be best, last, or a file, got bset",
    )  # fmt: skip
    (run / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(CheckpointError, match=r"best\.ckpt: there is no such checkpoint"):
        evaluate(run)


def test_weights_of_another_network_are_refused(run):
    change(run, model__units=8)
    with pytest.raises(CheckpointError, match=r"best\.ckpt: does not fit the network of the configuration"):
        evaluate(run)


def test_evaluate_refuses_a_configuration_that_is_not_trusted(run):
    change(run, model___target_="os.system")
    with pytest.raises(ConfigError, match="is not trusted"):
        evaluate(run)


def test_evaluate_refuses_a_checkpoint_with_code_in_it(run, tmp_path):
    marker = tmp_path / "marker"
    torch.save({"state_dict": Malicious(str(marker))}, run / "checkpoints/best.ckpt")
    (run / "checkpoints/best.ckpt.sha256").unlink()  # who plants code can plant its checksum
    with pytest.raises(CheckpointError, match="holds code"):
        evaluate(run)
    assert not marker.exists()


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_task_that_cannot_be_tested_is_refused_and_the_other_split_named(run, tmp_path, monkeypatch):
    (tmp_path / "own_untested.py").write_text(
        "from pytorch_lightning import LightningModule\n"
        "from lightune.tasks import SupervisedTask\n"
        "class Untested(SupervisedTask):\n"
        "    test_step = LightningModule.test_step\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    trust("own_untested")
    change(run, task___target_="own_untested.Untested")
    assert problem_of(evaluate, run) == ("task", "Untested has no test_step; try --split val")
    assert "val/accuracy" in evaluate(run, split="val")
