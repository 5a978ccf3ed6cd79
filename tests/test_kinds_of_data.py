"""Pictures, sounds and texts are trained in every way that tables are."""

import os
import signal

import pytest
import torch
from closeness import close
from epoch_watch import ON, at_epoch
from file_runs import QUICK, SMALL, write_source
from studies import result_of

from lightune import compose, load, resume, train
from lightune.checkpoints import read_checkpoint
from lightune.run import InterruptedRun

KINDS = pytest.mark.parametrize("kind", SMALL)


@pytest.fixture
def words(kind, tmp_path):
    """The overrides of a small training on samples of a kind."""
    return [*SMALL[kind], *QUICK, f"data.path={write_source(kind, tmp_path)}"]


@KINDS
def test_folds_train_and_predict_together(kind, words, tmp_path):
    settings = ["validation=kfold", "validation.k=2", "data.batch_size=6", f"output_root={tmp_path}"]
    result = train(compose([*words, *settings]))
    assert (result.status, len(result.folds)) == ("completed", 2)
    assert len(load(result.run_dir).networks) == 2


@pytest.mark.slow
@KINDS
def test_trials_train_as_one_program_what_they_train_alone(kind, words, cli, tmp_path):
    swept = ["-m", "seed=0,1", "trainer.precision=64-true", *words]
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
