"""Runs that are stopped by a real signal, and go on as if they had not been."""

import fcntl
import os
import signal
import subprocess
import sys
import termios

import pytest
from pytorch_lightning import Callback

from lightune import compose, resume, train
from lightune.reporting import provenance
from lightune.reporting.result import read_result
from lightune.run import InterruptedRun, TrainingError
from lightune.training.resumption import resumed_config

OPTIONS = {
    "sgd, momentum, step": ["optimizer=sgd", "optimizer.momentum=0.9", "scheduler=step", "scheduler.step_size=1"],
    "gd": ["optimizer=gd", "trainer.max_epochs=10"],
    "adam, exponential, l1": ["optimizer=adam", "scheduler=exponential", "regularization=l1"],
    "adamw, warmup_cosine, dropout": ["scheduler=warmup_cosine", "model.dropout=0.3", "model.batch_norm=true"],
    "rmsprop, cosine, elastic_net": ["optimizer=rmsprop", "scheduler=cosine", "regularization=elastic_net"],
    "adagrad, plateau, l2": [
        "optimizer=adagrad",
        "scheduler=plateau",
        "scheduler.patience=0",
        "regularization=l2",
    ],
    "clipping, accumulation": ["regularization=gradient_clip", "+trainer.accumulate_grad_batches=2"],
    "as many steps": ["+trainer.max_steps=40"],
    "validated within epochs": ["+trainer.val_check_interval=7"],
    "regression": ["data=diabetes", "data.batch_size=30"],
    "growing batches and strengths": [
        "schedule=both",
        "schedule.start=1",
        "schedule.every=1",
        "regularization=l2",
        "model.dropout=0.2",
    ],
    "muon, decay of weights": ["optimizer=muon", "+task.decay=weights", "model.batch_norm=true"],
    "exponential average": ["regularization=ema", "model.batch_norm=true"],
    "mean of epochs": ["regularization=swa", "regularization.swa=0.25", "model.batch_norm=true"],
    "average judged within epochs": ["regularization=ema", "+trainer.val_check_interval=7"],
    "mixed samples": ["model=cnn", "regularization=mixup", "regularization.cutmix=1", "augmentation=standard"],
    "early stopping": ["trainer.max_epochs=30", "callbacks.early_stopping.patience=1", "optimizer.lr=0.02"],
}


def some_and_long(options, fast=4):
    """Return parameters of which the first few are among the fast tests."""
    return [
        pytest.param(overrides, id=name, marks=() if number < fast else pytest.mark.long)
        for number, (name, overrides) in enumerate(options.items())
    ]


@pytest.mark.parametrize("overrides", some_and_long(OPTIONS))
def test_a_run_that_is_stopped_twice_ends_as_if_it_had_not_been(overrides, whole, cut, assert_same):
    """Once in the middle of an epoch of 13 steps, once at an epoch's end."""
    middle, end = {"optimizer=gd": (3, 6), "regularization=gradient_clip": (9, 14), "schedule=both": (16, 24)}.get(
        overrides[0], (20, 26)
    )
    run_dir = cut(*overrides, after=middle)
    cut(after=end, goes_on=run_dir)
    assert_same(resume(run_dir), whole(*overrides))


@pytest.mark.parametrize("after", [1, 13, 50], ids=["first step", "first epoch's end", "last step but one"])
def test_wherever_it_is_stopped_it_goes_on(after, whole, cut, assert_same):
    assert_same(resume(cut("model.dropout=0.3", after=after, signum=signal.SIGINT)), whole("model.dropout=0.3"))


class InTheTest(Callback):
    """Sends a signal while the test part is measured."""

    def on_test_batch_start(self, trainer, pl_module, batch, batch_idx):
        os.kill(os.getpid(), signal.SIGTERM)


class InTheValidation(Callback):
    """Sends a signal while the second epoch is judged."""

    def on_validation_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)


BASE = ("trainer=cpu", "trainer.max_epochs=4", "model.units=16", "metrics.bootstrap=50", "data.batch_size=100")
SEVERAL = ("validation=kfold", "validation.k=3", "trainer.max_epochs=2")


@pytest.mark.parametrize("overrides", [(), SEVERAL], ids=["one fit", "three fits"])
@pytest.mark.parametrize("moment", [InTheTest, InTheValidation])
def test_a_signal_outside_of_the_steps_is_heard_too(moment, overrides, whole, assert_same):
    with pytest.raises(InterruptedRun) as stopped:
        train(compose([*BASE, *overrides]), watchers=[moment()])
    assert stopped.value.exit_code == 143
    result = resume(stopped.value.result.run_dir)
    assert_same(result, whole(*overrides))


@pytest.fixture
def signal_while_reporting(monkeypatch):
    """Send a signal when what a run was made of is gathered for its result."""

    def collect(*arguments, **settings):
        os.kill(os.getpid(), signal.SIGTERM)
        return read(*arguments, **settings)

    read = provenance.collect
    monkeypatch.setattr(provenance, "collect", collect)


def test_a_signal_while_the_result_is_written_does_not_lose_it(signal_while_reporting, whole, assert_same):
    assert_same(train(compose(BASE)), whole())


def test_a_signal_while_a_failure_is_written_does_not_lose_it(signal_while_reporting):
    with pytest.raises(TrainingError) as failure:
        train(compose([*BASE, "optimizer=sgd", "optimizer.lr=1e30"]))
    assert read_result(failure.value.result.run_dir).status == "failed"


@pytest.mark.parametrize(
    ("moment", "status"), [("context.Terminal", []), ("run_record.write_predictions", ["interrupted"])]
)
def test_a_signal_before_or_after_training_is_no_raw_exception(moment, status, monkeypatch, cli, tmp_path):
    monkeypatch.setattr(f"lightune.training.{moment}", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    code, out, err = cli(*BASE)
    assert code == 143
    assert "Traceback" not in out + err
    results = (tmp_path / "outputs/runs/run").glob("*/result.json")
    assert [read_result(result.parent).status for result in results] == status


def test_an_interrupted_run_in_the_middle_of_a_fold_goes_on_at_that_fold(whole, cut, assert_same):
    run_dir = cut(*SEVERAL, after=12, fit=1)
    left = read_result(run_dir)
    assert len(left.folds) == 1
    assert left.objective.value == left.folds[0].objective.value
    finished = (run_dir / "fits" / "0" / "fit.json").stat().st_mtime_ns
    assert_same(resume(run_dir), whole(*SEVERAL))
    assert (run_dir / "fits" / "0" / "fit.json").stat().st_mtime_ns == finished


def test_going_on_leaves_the_frozen_configuration_as_it_is(cut, contents):
    run_dir = cut("trainer.max_epochs=2", after=8)
    before = contents(run_dir / ".hydra")
    resume(run_dir, ["trainer.max_epochs=3"])
    assert contents(run_dir / ".hydra") == before


def test_what_a_run_goes_on_with_holds_when_it_is_stopped_again(cut):
    run_dir = cut("trainer.max_epochs=2", after=8)
    cfg = resumed_config(run_dir, ["trainer.max_epochs=3"], compose(["trainer.max_epochs=3"]))

    class Stop(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRun):
        train(cfg, run_dir=run_dir, resume=True, watchers=[Stop()])
    assert resume(run_dir).epochs == 3


SHORT = [
    "trainer=cpu",
    "trainer.max_epochs=100000",
    "callbacks.early_stopping.patience=100000",
    "metrics.bootstrap=0",
]


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["INT", "TERM", "HUP"],
)
def test_the_command_line_saves_says_so_and_exits_as_a_shell_expects(signum, code, start_child, tmp_path):
    from lightune.cli import train as command

    reading, writing = os.pipe()

    def work():
        os.dup2(writing, 1)
        sys.stdout = os.fdopen(os.dup(1), "w", buffering=1)
        sys.argv = ["train.py", *SHORT]
        command.main()

    child = start_child(work)
    os.close(writing)
    with os.fdopen(reading) as said:
        for line in said:
            if line.startswith("epoch "):
                break
        os.kill(child, signum)
        rest = said.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    assert "interrupted" in rest
    (run_dir,) = (tmp_path / "outputs/runs/run").iterdir()
    assert f"resume={run_dir.relative_to(tmp_path)}\n" in rest[rest.index("go on with") :]
    assert read_result(run_dir).status == "interrupted"
    assert (run_dir / "checkpoints" / "last.ckpt").is_file()


def test_a_run_whose_terminal_is_closed_saves_and_stops(start_child, tmp_path):
    from lightune.cli import train as command

    ours, theirs = os.openpty()

    def work():
        os.close(ours)
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        for descriptor in (0, 1, 2):
            os.dup2(theirs, descriptor)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.argv = ["train.py", *SHORT]
        command.main()

    child = start_child(work)
    os.close(theirs)
    said = b""
    while b"val/accuracy" not in said:
        said += os.read(ours, 1024)
    os.close(ours)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129
    (run_dir,) = (tmp_path / "outputs/runs/run").iterdir()
    assert read_result(run_dir).status == "interrupted"
    assert (run_dir / "checkpoints/last.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_program_of_its_own_does_so_too(signum, code, tmp_path):
    command = [sys.executable, "-m", "lightune.cli.train", *SHORT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        for line in process.stdout:
            if line.startswith("epoch "):
                break
        process.send_signal(signum)
        rest = process.stdout.read()
    assert process.returncode == code
    assert "interrupted" in rest
    (run_dir,) = (tmp_path / "outputs/runs/run").iterdir()
    assert read_result(run_dir).status == "interrupted"
