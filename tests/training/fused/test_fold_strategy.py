"""The fits of one run trained as one program leave what they leave one by one."""

import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest
import torch
from closeness import close
from curves import curves
from epoch_watch import ON, at_epoch
from fused_members import killed_in_epoch
from media import write_table
from odd_networks import ChangesBuffer, DependsOnData, OwnGradient, OwnStackableGradient, ReplacesBuffer
from pytorch_lightning import Callback
from studies import result_of

from lightune import compose, resume, train
from lightune.checkpoints import WholeCheckpointIO, read_checkpoint
from lightune.config.trust import _added, trust
from lightune.data import Digits, Samples
from lightune.engine.fused.data import StackedData
from lightune.reporting.curves import read_curves
from lightune.reporting.predictions import read_validation
from lightune.run import InterruptedRun, TrainingError, prepare

pytestmark = pytest.mark.long

SMALL = (
    "trainer=cpu",
    "trainer.precision=64-true",
    "trainer.max_epochs=4",
    "model.units=16",
    "data.batch_size=9",
    "metrics.bootstrap=50",
)
FOLDS = ("validation=kfold", "validation.k=3")
WAYS = {
    "folds that differ in size": (
        "validation=kfold",
        "validation.k=4",
        "model.dropout=0.3",
        "model.batch_norm=true",
    ),
    "resamples": ("validation=bootstrap", "validation.n=3", "scheduler=warmup_cosine", "regularization=l2"),
    "repeats": ("repeats=3", "loss.label_smoothing=0.1", "logger=csv"),
    "folds of repeats": ("validation=kfold", "validation.k=2", "repeats=2", "model=cnn", "model.channels=[3]"),
    "all samples at once": (
        *(*FOLDS, "optimizer=gd", "data.batch_size=full", "trainer.max_epochs=170"),
        "callbacks.early_stopping.patience=1",
    ),
    "values, stopped early": (
        *("data=diabetes", "data.batch_size=8", "validation=kfold", "validation.k=3"),
        *("trainer.max_epochs=8", "callbacks.early_stopping.patience=1", "optimizer.lr=0.05"),
    ),
}
SAID = "trained as one program on cpu"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch, _watched_epochs):
    """Work in the test's own folder, on one thread."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(*overrides, **how):
    return train(compose([*SMALL, *overrides]), **how)


def log_of(result):
    return (result.run_dir / "train.log").read_text()


def assert_same(ours: Path, theirs: Path, rel=1e-6, tiny=1e-9):
    """Compare all that two runs left, down to the checkpoints of each fit.

    Metrics are single precision, so that a small deviation of large figures is known less well. Lightning goes on
    from a checkpoint with weights rounded to single precision: `tiny` is then larger.
    """
    one, other = result_of(ours), result_of(theirs)
    deviations = [each["objective"].pop("std") for each in (one, other)]
    assert deviations[0] == pytest.approx(deviations[1], rel=1e-6, abs=1e-5)
    for name in one.keys() - {"seconds", "samples_per_second", "provenance"}:
        close(one[name], other[name], rel)
    fits = sorted(path.name for path in (theirs / "fits").iterdir())
    assert sorted(path.name for path in (ours / "fits").iterdir()) == fits
    close(curves(ours), curves(theirs), rel)
    close(read_curves(ours), read_curves(theirs), rel)
    for fit in fits:
        left, right = ours / "fits" / fit, theirs / "fits" / fit
        assert (left / "fit.json").exists()
        assert_same_validation(left, right, rel)
        close(curves(left), curves(right), rel)
        for name in ("best", "last"):
            saved = [read_checkpoint(folder / "checkpoints" / f"{name}.ckpt") for folder in (left, right)]
            for key in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
                close(saved[0][key], saved[1][key], 1e-5, tiny)


def assert_same_validation(ours: Path, theirs: Path, rel: float):
    """Compare curves, and what two fits predicted for their validation parts at their best epochs."""
    close(read_curves(ours), read_curves(theirs), rel)
    one, other = read_validation(ours), read_validation(theirs)
    assert torch.equal(one.rows, other.rows)
    assert torch.equal(one.targets, other.targets)
    assert torch.allclose(one.predicted, other.predicted, rtol=1e-5, atol=1e-5)
    figures = [(folder / "classes_val.csv").exists() for folder in (ours, theirs)]
    assert figures == [one.of_classes] * 2


LARGE = {
    "classes": (
        *("data._target_=fused_members.LargeImages", "data.batch_size=4", "model.dropout=0.3"),
        *("validation=kfold", "validation.k=4"),
    ),
    "values, stopped early": (
        *("data=diabetes", "data._target_=fused_members.LargeValues", "data.batch_size=4"),
        *("validation=kfold", "validation.k=4", "callbacks.early_stopping.patience=1", "optimizer.lr=0.05"),
    ),
}


@pytest.mark.parametrize("way", LARGE)
def test_fits_that_share_large_samples_leave_what_they_leave_one_by_one(way):
    together = run(*LARGE[way])
    assert SAID in log_of(together)
    assert_same(together.run_dir, run(*LARGE[way], "validation.fused=never").run_dir)


def test_fits_that_share_large_samples_hold_them_once():
    parts = prepare(compose([*SMALL, *LARGE["classes"]]))
    divided = []
    for plan in parts.plans:
        divided.append(parts.data.undivided())
        divided[-1].divide(plan.split, seed=0)
    stacked = StackedData(divided)
    assert not any(own._scaled for own in divided)
    assert stacked._train._inputs is stacked._val._inputs is parts.data.samples.inputs
    batch = next(iter(stacked.train()))
    for own, x in zip(divided, batch.x, strict=True):
        assert torch.equal(x, next(iter(own.train_dataloader()))[0])


@pytest.mark.parametrize("way", WAYS)
def test_fits_trained_together_leave_what_they_leave_one_by_one(way):
    together = run(*WAYS[way])
    assert SAID in log_of(together)
    assert_same(together.run_dir, run(*WAYS[way], "validation.fused=never").run_dir)


def test_folds_of_other_numbers_of_batches_form_programs_of_their_own():
    sizes = [len(plan.split.train) for plan in prepare(compose([*SMALL, "validation=kfold"])).plans]
    assert sorted(set(sizes)) == [1221, 1222]
    between = ("validation=kfold", "data.batch_size=1220", "trainer.max_epochs=100")
    between += ("callbacks.early_stopping.patience=1", "optimizer.lr=0.1")
    together = run(*between)
    assert log_of(together).count(SAID) == 2
    assert_same(together.run_dir, run(*between, "validation.fused=never").run_dir)


@pytest.mark.parametrize("categories", ["onehot", "embedding"])
def test_folds_whose_networks_differ_in_size_form_programs_of_their_own(categories, tmp_path, monkeypatch):
    monkeypatch.setattr("lightune.training.fused.fold_strategy.LEAST_STEPS_ON_CPU", 0)
    lines = write_table(tmp_path / "t.csv").read_text().splitlines()
    lines[8] = lines[8].replace("Rome", "Nice").replace("Oslo", "Nice").replace("Bonn", "Nice")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    table = (
        "data=csv",
        "data.path=t.csv",
        "data.target=class",
        "data.ignore=[value]",
        f"data.categories={categories}",
    )
    folds = (*table, "validation=kfold", "validation.k=4", "trainer.max_epochs=2")
    together = run(*folds)
    log = log_of(together)
    assert log.count(SAID) == 1
    assert (
        log.count("trained one by one: no other has as many batches an epoch and a network of the same size") == 1
    )
    assert_same(together.run_dir, run(*folds, "validation.fused=never").run_dir)


@pytest.mark.parametrize(
    ("overrides", "how", "reason"),
    [
        (["validation.fused=never"], {}, "as validation.fused says"),
        ([], {"report": lambda fits, mean: False}, "a pruner judges the run after each of them"),
        ([], {"watchers": [Callback()]}, "Callback watches each of them"),
        (["+trainer.accumulate_grad_batches=2"], {}, "trainer.accumulate_grad_batches=2 has no fused form"),
        (["data.placement=stream", "data.num_workers=0"], {}, "data are streamed"),
        (["model.units=1024", "data.batch_size=1400"], {}, "where fusing no longer pays"),
    ],
)
def test_what_cannot_train_together_trains_one_by_one_and_says_why(overrides, how, reason):
    result = run("validation=kfold", "validation.k=2", "trainer.max_epochs=1", "test=false", *overrides, **how)
    assert (result.status, len(result.folds)) == ("completed", 2)
    (line,) = [line for line in log_of(result).splitlines() if "one by one" in line]
    assert reason in line
    assert SAID not in log_of(result)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (DependsOnData, "data-dependent control flow"),
        (ReplacesBuffer, "than a step alone"),
        (ChangesBuffer, None),
        (OwnGradient, "cannot be stacked"),
        (OwnStackableGradient, None),
    ],
)
def test_folds_of_strange_networks_are_what_they_are_one_by_one(network, reason):
    trust(network.__module__)
    ended = []
    try:
        for fused in ("auto", "never"):
            cfg = compose([*SMALL, *FOLDS, "trainer.max_epochs=2", f"validation.fused={fused}"])
            cfg.model = {"_target_": f"{network.__module__}.{network.__name__}"}
            ended.append(train(cfg))
    finally:
        _added.remove(network.__module__)
    assert (SAID in log_of(ended[0])) == (reason is None)
    assert (reason or SAID) in log_of(ended[0])
    close(ended[0].metrics, ended[1].metrics)


def test_short_runs_are_not_worth_a_program():
    result = run(*FOLDS, "trainer.max_epochs=1", "test=false")
    assert "too few for a program to be worth it" in log_of(result)


@pytest.fixture
def poisoned(monkeypatch):
    """Put a number that is none into a sample that the first fold does not learn from."""
    cfg = compose([*SMALL, *FOLDS])
    row = prepare(cfg).plans[0].split.val[0]
    load = Digits.load

    def poisoned_load(self):
        samples = load(self)
        inputs = samples.inputs.float().clone()
        inputs[row] = float("inf")
        return Samples(inputs, samples.targets, num_classes=10)

    monkeypatch.setattr(Digits, "load", poisoned_load)
    monkeypatch.setattr("lightune.data.memory.sound", lambda samples: samples)  # which would refuse it
    monkeypatch.setattr("lightune.config.build.kept", lambda source, make: make())


def test_a_loss_that_is_no_number_fails_the_run_as_it_does_one_by_one(poisoned):
    ended = []
    for fused in ("auto", "never"):
        with pytest.raises(TrainingError) as failed:
            run(*FOLDS, "data.scaling=none", "trainer.max_epochs=2", f"validation.fused={fused}")
        ended.append(failed.value.result)
    assert SAID in log_of(ended[0])
    assert not [file for file in psutil.Process().open_files() if file.path.startswith(str(Path.cwd()))]
    assert ended[0].status == ended[1].status == "failed"
    assert ended[0].error == ended[1].error
    assert len(ended[0].folds) == len(ended[1].folds) == 1
    close(ended[0].folds[0].metrics["train/loss"], ended[1].folds[0].metrics["train/loss"])


@pytest.mark.parametrize("every", [0, 1000], ids=["with checkpoints", "without"])
def test_a_run_killed_while_its_fits_train_together_ends_as_if_it_had_been_left_alone(every):
    settings = (*FOLDS, "model.dropout=0.2", f"callbacks.checkpoint.every_seconds={every}")
    killed_in_epoch(2, *SMALL, ON, *settings, "name=killed")
    (killed,) = Path("outputs/runs/killed").iterdir()
    said = log_of(resume(killed))
    assert (said.count(SAID), said.count("going on from epoch 2")) == (2, 0 if every else 3), said
    assert_same(killed, run(*settings, "name=killed").run_dir, tiny=1e-6)


def test_fits_of_a_killed_run_go_on_together_each_from_its_own_epoch():
    settings = (*FOLDS, "callbacks.checkpoint.every_seconds=0")
    killed_in_epoch(2, *SMALL, ON, *settings, "name=killed")
    (killed,) = Path("outputs/runs/killed").iterdir()
    shutil.rmtree(killed / "fits" / "1" / "checkpoints")  # as if it had been cut off before its first
    said = log_of(resume(killed))
    assert (said.count(SAID), said.count("going on from epoch 2")) == (2, 2), said
    assert_same(killed, run(*settings, "name=killed").run_dir, tiny=1e-6)


def test_a_signal_interrupts_all_of_them_and_the_run_goes_on():
    settings = (*FOLDS, ON, "data.batch_size=5")
    with at_epoch(2, lambda: os.kill(os.getpid(), signal.SIGTERM)), pytest.raises(InterruptedRun) as stopped:
        run(*settings)
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert result_of(stopped.value.result.run_dir)["status"] == "interrupted"
    again = resume(stopped.value.result.run_dir)
    assert log_of(again).count(SAID) == 2
    assert log_of(again).count("going on from epoch 3") == 3  # the epoch that was under way came to its end
    assert_same(again.run_dir, run(*settings).run_dir, tiny=1e-6)


def test_what_breaks_the_program_leaves_its_fits_to_themselves():
    def break_down():
        raise torch.OutOfMemoryError("no room left")

    with at_epoch(2, break_down):
        result = run(*FOLDS, ON)
    assert "go on one by one: the program ended with OutOfMemoryError: no room left" in log_of(result)
    assert_same(result.run_dir, run(*FOLDS, "validation.fused=never").run_dir, tiny=1e-6)


def test_fits_whose_program_cannot_be_made_go_on_one_by_one():
    killed_in_epoch(2, *SMALL, ON, *FOLDS, "callbacks.checkpoint.every_seconds=0", "name=killed")
    (killed,) = Path("outputs/runs/killed").iterdir()

    for file in killed.glob("fits/*/checkpoints/*.ckpt"):
        content = read_checkpoint(file)
        # of two processes of another kind of machine, which a run by itself passes over
        content["random_state"] = [{**content["random_state"][0], "torch": torch.zeros(3, dtype=torch.uint8)}] * 2
        WholeCheckpointIO().save_checkpoint(content, file)
    said = log_of(resume(killed))
    assert "go on one by one: the program ended with RuntimeError: Expected a CPUGeneratorImplState" in said
    assert result_of(killed)["status"] in ("completed", "early_stopped")


def test_finished_fits_are_not_trained_again(monkeypatch):
    whole = run(*FOLDS, "test=false")
    kept = (whole.run_dir / "fits/0/fit.json").stat().st_mtime_ns
    for name in ("fits/1", "fits/2"):
        for file in sorted((whole.run_dir / name).rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
    (whole.run_dir / "result.json").unlink()
    again = resume(whole.run_dir)
    assert "fits 2-3: trained as one program" in log_of(again)
    assert (whole.run_dir / "fits/0/fit.json").stat().st_mtime_ns == kept
    close(again.metrics, whole.metrics)
