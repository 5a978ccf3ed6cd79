"""Every kind of data is trained in every way, and never learns from what judges it."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import close
from epoch_watch import ON, at_epoch
from file_runs import QUICK, SMALL, words_for
from studies import result_of

from lightune import compose, evaluate, load, resume, train
from lightune.checkpoints import read_checkpoint
from lightune.config.build import build
from lightune.run import InterruptedRun

pytestmark = pytest.mark.long

KINDS = pytest.mark.parametrize("kind", SMALL)


@pytest.fixture
def words(kind, tmp_path):
    """The overrides of a small training on samples of a kind."""
    return [*words_for(kind, tmp_path), *QUICK]


WAYS = {
    "folds": ["validation=kfold", "validation.k=2"],
    "resamples": ["validation=bootstrap", "validation.n=2", "repeats=2"],
}


@pytest.mark.parametrize("way", WAYS)
@KINDS
def test_several_fits_are_judged_and_predict_together(kind, way, words, tmp_path):
    settings = [*WAYS[way], "data.batch_size=6", "metrics.bootstrap=0", f"output_root={tmp_path}"]
    result = train(compose([*words, *settings]))
    fits = 2 if way == "folds" else 4
    assert (result.status, len(result.folds)) == ("completed", fits)
    predictor = load(result.run_dir)
    assert len(predictor.networks) == fits
    tested = {name: value for name, value in result.metrics.items() if name.startswith("test/")}
    assert evaluate(result.run_dir) == pytest.approx(tested, abs=1e-5)


def poisoned(inputs, targets, outside):
    """Change what no fit may learn from: to extreme numbers, other categories and tokens, white."""
    inputs, targets = inputs.clone(), targets.clone()
    if inputs.dtype == torch.uint8:
        inputs[outside] = 255
    elif inputs.dtype == torch.int32:
        inputs[outside] = inputs.max() + 1
    else:
        inputs[outside] = 1e6
        if inputs.dtype == torch.float64:
            inputs[outside, -1] = -1  # a category that is missing
    if targets.is_floating_point():
        targets[outside] = 1e6
    return inputs, targets


@KINDS
def test_what_is_learnt_before_training_never_saw_what_judges(kind, words, tmp_path):
    cfg = compose([*words, "validation=kfold", "validation.k=3", f"output_root={tmp_path}"])
    parts = build(cfg)
    learnt = []
    for fold in parts.plans:
        data = parts.data.undivided()
        data.divide(fold.split, seed=0)
        outside = torch.from_numpy(np.concatenate([fold.split.val, fold.split.test]))
        samples = data.samples
        other = parts.data.undivided()
        inputs, targets = poisoned(samples.inputs, samples.targets, outside)
        other.read(replace(samples, inputs=inputs, targets=targets))
        other.divide(fold.split, seed=0)
        assert not torch.equal(samples.inputs, other.samples.inputs)
        scalers = [None if each.target_scaler is None else each.target_scaler.plain() for each in (data, other)]
        learnt.append(repr([data.preparation.plain(), data.cardinalities, data.class_counts, scalers[0]]))
        assert learnt[-1] == repr([other.preparation.plain(), other.cardinalities, other.class_counts, scalers[1]])
    assert len(set(learnt)) == 3


@pytest.mark.slow
@KINDS
def test_two_processes_train_what_one_trains(kind, words, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = [*words, "trainer.max_epochs=2", f"output_root={tmp_path}", "metrics.bootstrap=0"]
    alone = train(compose([*settings, "data.batch_size=14"]))
    shared = ["trainer.devices=2", "+trainer.strategy=ddp", "data.batch_size=7"]
    together = train(compose([*settings, *shared]))
    assert (together.status, together.steps) == (alone.status, alone.steps)
    normalizes = kind.startswith("audio")  # each process by its own half of a batch
    close(together.metrics, alone.metrics, rel=0.02 if normalizes else 1e-3)
    tested = {name: value for name, value in together.metrics.items() if name.startswith("test/")}
    assert evaluate(together.run_dir) == pytest.approx(tested, abs=1e-4)


@pytest.mark.slow
@KINDS
def test_trials_train_as_one_program_what_they_train_alone(kind, words, cli, tmp_path):
    swept = ["-m", "seed=0,1", "validation.split_seed=0", "trainer.precision=64-true", *words]
    found = {}
    for launcher in ("fused", "basic"):
        folder = tmp_path / "outputs" / launcher
        code, out, err = cli(
            f"hydra/launcher={launcher}", "hydra/sweeper=basic", f"hydra.sweep.dir={folder}", *swept
        )
        assert code == 0, err
        assert ("as one program" in out + err) == (launcher == "fused")
        found[launcher] = [result_of(trial) for trial in sorted((folder / "trials").iterdir())]
    assert len(found["basic"]) == 2
    for one, other in zip(found["fused"], found["basic"], strict=True):
        close(one["metrics"], other["metrics"], rel=1e-5)


@KINDS
@pytest.mark.usefixtures("_watched_epochs")
def test_a_run_that_was_cut_off_ends_as_one_that_was_not(kind, words, tmp_path):
    settings = [*words, "trainer.max_epochs=3", f"output_root={tmp_path}"]
    cut = compose([*settings, ON, "name=cut"])
    with at_epoch(0, lambda: os.kill(os.getpid(), signal.SIGTERM)), pytest.raises(InterruptedRun) as stopped:
        train(cut)
    again = resume(stopped.value.result.run_dir)
    whole = train(compose([*settings, "name=whole"]))
    assert (again.epochs, again.status) == (whole.epochs, "completed") == (3, "completed")
    weights = [read_checkpoint(run.run_dir / "checkpoints" / "last.ckpt")["state_dict"] for run in (again, whole)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
