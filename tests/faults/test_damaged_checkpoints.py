"""Checkpoints that are damaged are named, and not gone on from."""

import random
import shutil
from pathlib import Path

import pytest

from lightune import compose, evaluate, resume, train
from lightune.errors import CheckpointError, ConfigError
from lightune.run import TrainingError


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    place = random.Random(0).randrange(len(content) // 4, len(content) // 2)  # among the weights: it would load
    content[place] ^= 1
    path.write_bytes(content)


DAMAGES = [truncate, empty, flip_a_bit]


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory):
    """A run that was stopped in its third epoch."""
    return tmp_path_factory.mktemp("stopped") / "run"


@pytest.fixture
def run_dir(stopped_run, cut, tmp_path):
    if not stopped_run.exists():
        shutil.copytree(cut(after=30), stopped_run)
        shutil.rmtree(tmp_path / "outputs")
    return shutil.copytree(stopped_run, tmp_path / "outputs" / "runs" / "run" / "stopped")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_checkpoint_is_named_and_the_one_before_it_gone_on_from(
    damage, run_dir, whole, assert_same, capsys
):
    last = run_dir / "checkpoints" / "last.ckpt"
    damage(last)
    assert_same(resume(run_dir), whole())
    said = capsys.readouterr().err
    assert str(last.relative_to(run_dir.parents[2])) in said
    assert "is damaged" in said


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_without_a_sound_checkpoint_is_refused_and_left_as_it_is(damage, run_dir, cli, contents):
    for path in (run_dir / "checkpoints").glob("*.ckpt"):
        damage(path)
    before = contents(run_dir)
    code, _, err = cli(f"resume={run_dir}")
    assert code == 2
    assert err.startswith("lightune: 2 problems, nothing was started")
    for name in ("last.ckpt", "best.ckpt"):
        assert f"{run_dir}/checkpoints/{name}: is damaged (" in err
    assert "Traceback" not in err
    assert contents(run_dir) == before
    with pytest.raises(ConfigError, match=r"last\.ckpt: is damaged"):
        resume(run_dir)


def test_a_damaged_best_checkpoint_is_named_before_training_and_made_anew_by_a_better_epoch(
    run_dir, whole, assert_same, capsys
):
    flip_a_bit(run_dir / "checkpoints" / "best.ckpt")
    assert_same(resume(run_dir), whole())
    said = " ".join(capsys.readouterr().err.split())
    assert "best.ckpt: is damaged" in said
    assert "unless a later epoch is better, its weights are lost" in said


@pytest.mark.parametrize("harm", [flip_a_bit, Path.unlink], ids=["damaged", "gone"])
def test_best_weights_that_are_lost_and_not_surpassed_are_not_replaced_by_others(harm, tmp_path):
    """The test would be of other weights than the objective."""
    settings = ["trainer=cpu", "model.units=16", "optimizer.lr=0.02", "trainer.max_epochs=30"]
    first = train(compose([*settings, "callbacks.early_stopping.patience=2"]))
    assert first.status == "early_stopped"
    harm(first.run_dir / "checkpoints/best.ckpt")
    with pytest.raises(TrainingError, match=r"best\.ckpt: (is damaged|there is no such checkpoint)") as failure:
        resume(first.run_dir, ["callbacks.early_stopping.patience=3"])
    assert not [name for name in failure.value.result.metrics if name.startswith("test/")]


@pytest.mark.parametrize("harm", [flip_a_bit, Path.unlink], ids=["damaged", "gone"])
def test_a_fold_whose_best_weights_are_lost_and_not_surpassed_is_not_tested_with_others(harm, cut):
    still = (
        "validation=kfold",
        "validation.k=3",
        "trainer.max_epochs=3",
        "optimizer.lr=1e-9",
    )  # the first is the best
    run_dir = cut(*still, after=13)
    harm(run_dir / "fits/0/checkpoints/best.ckpt")
    with pytest.raises(TrainingError, match=r"best\.ckpt: (is damaged|there is no such checkpoint)") as failure:
        resume(run_dir)
    assert failure.value.result.folds == []


@pytest.mark.parametrize("harm", [flip_a_bit, Path.unlink], ids=["damaged", "gone"])
def test_a_finished_fold_whose_weights_are_lost_is_refused_and_trained_again(harm, cut, cli, whole, assert_same):
    folds = ("validation=kfold", "validation.k=3", "trainer.max_epochs=2")
    run_dir = cut(*folds, after=5, fit=2)
    harm(run_dir / "fits/1/checkpoints/best.ckpt")
    code, _, err = cli(f"resume={run_dir}")
    assert code == 2
    assert "fits/1/checkpoints/best.ckpt" in err
    assert f"remove {run_dir}/fits/1 to train this fit again" in err
    with pytest.raises(ConfigError, match="to train this fit again"):
        resume(run_dir)
    shutil.rmtree(run_dir / "fits/1")
    assert_same(resume(run_dir), whole(*folds))


def test_a_damaged_checkpoint_is_not_measured(run_dir):
    flip_a_bit(run_dir / "checkpoints" / "best.ckpt")
    with pytest.raises(CheckpointError, match=r"best\.ckpt: is damaged \(.*the checksum differs\)"):
        evaluate(run_dir)


def test_a_checkpoint_whose_checksum_is_gone_is_judged_by_itself(run_dir, whole, assert_same):
    for path in (run_dir / "checkpoints").glob("*.sha256"):
        path.unlink()
    assert_same(resume(run_dir), whole())
