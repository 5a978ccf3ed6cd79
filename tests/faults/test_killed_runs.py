"""Runs whose process is killed, as `kill -9` or a failing machine does: what they leave is whole, and goes on."""

import os
import random
import signal
import time

import pytest

from lightune import compose, resume, train
from lightune.callbacks import BestAndLast
from lightune.checkpoints import read_checkpoint
from lightune.errors import CheckpointError
from lightune.training.resumable_checkpoints import newest_checkpoint

ALWAYS = "callbacks.checkpoint.every_seconds=0"
FOLDS = ("validation=kfold", "trainer.max_epochs=2")


@pytest.mark.parametrize(
    "overrides", [("model.dropout=0.3",), ("model.dropout=0.3", ALWAYS)], ids=["by time", "always"]
)
@pytest.mark.parametrize("after", [20, 26], ids=["in an epoch", "at an epoch's end"])
def test_a_run_that_was_killed_goes_on_to_the_same_bit(overrides, after, whole, killed, assert_same):
    run_dir = killed(*overrides, after=after)
    assert not (run_dir / "result.json").exists()
    step = read_checkpoint(newest_checkpoint(run_dir))["global_step"]
    assert step == (after - 1 if ALWAYS in overrides else 13)
    assert_same(resume(run_dir), whole("model.dropout=0.3"))


def test_a_run_that_was_killed_before_it_saved_begins_anew(whole, killed, assert_same):
    run_dir = killed(after=5)
    assert newest_checkpoint(run_dir) is None
    assert_same(resume(run_dir), whole())


def test_a_run_that_was_killed_in_fold_3_of_5_has_the_mean_of_the_run_left_alone(whole, killed, assert_same):
    run_dir = killed(*FOLDS, after=14, fit=2)
    assert sorted(path.parent.name for path in run_dir.glob("fits/*/fit.json")) == ["0", "1"]
    assert_same(resume(run_dir), whole(*FOLDS))


def test_a_lock_of_a_killed_process_holds_nobody_up(killed):
    run_dir = killed("trainer.max_epochs=2", after=5)
    assert (run_dir / ".lock").exists()
    assert resume(run_dir).status == "completed"
    assert not (run_dir / ".lock").exists()


def sound(path):
    try:
        return read_checkpoint(path)["global_step"]
    except CheckpointError:
        return None


@pytest.mark.parametrize("moment", ["fsync", "replace"])
@pytest.mark.parametrize("call", [3, 4, 5, 6, 7, 8])
def test_at_whatever_moment_of_a_saving_it_is_killed_every_checkpoint_is_whole(
    moment, call, in_child, tmp_path, whole, assert_same
):
    """A saving writes two files, and syncs and moves each of them; the first two savings are over by then."""
    overrides = [
        "trainer=cpu",
        "trainer.max_epochs=4",
        "model.units=16",
        "metrics.bootstrap=50",
        "data.batch_size=100",
    ]

    def work():
        calls, saving = 0, BestAndLast._save
        original = getattr(os, moment)

        def die(*arguments, **named):
            nonlocal calls
            calls += 1
            if calls == call + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **named)

        def save(*arguments):
            setattr(os, moment, die)
            saving(*arguments)

        BestAndLast._save = save
        train(compose([*overrides, ALWAYS]))

    assert in_child(work) == -signal.SIGKILL
    (run_dir,) = (tmp_path / "outputs/runs/run").iterdir()
    checkpoints = sorted((run_dir / "checkpoints").glob("*.ckpt"))
    assert checkpoints
    assert None not in [sound(path) for path in checkpoints]
    if call == 5:
        assert_same(resume(run_dir), whole())


@pytest.mark.slow
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same disk", "TMPDIR on another file system"])
def test_killed_again_and_again_while_it_saves_it_still_comes_to_the_same_end(
    elsewhere, start_child, tmp_path, whole, assert_same, monkeypatch
):
    """Kill at chance moments of a run that does little but save; go on each time."""
    if elsewhere:
        if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("there is no other file system at /dev/shm")
        monkeypatch.setenv("TMPDIR", "/dev/shm")
    overrides = ["trainer=cpu", "trainer.max_epochs=150", "model.units=16", "metrics.bootstrap=50"]
    overrides += ["data.batch_size=100", ALWAYS, "callbacks.early_stopping.patience=200"]
    chance = random.Random(0)
    run_dir = None
    kills = 0

    def work():
        train(compose(overrides)) if run_dir is None else resume(run_dir)

    while kills < 15:
        before = None if run_dir is None else newest_checkpoint(run_dir).stat().st_mtime_ns
        child = start_child(work)
        while os.waitpid(child, os.WNOHANG) == (0, 0):  # until it has saved something new
            found = list(tmp_path.glob("outputs/runs/run/*/checkpoints/last.ckpt"))
            if found and found[0].stat().st_mtime_ns != before:
                break
            time.sleep(0.01)
        else:
            break  # it came to its end
        time.sleep(chance.random() * 0.1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        run_dir = found[0].parents[1]
        for path in (run_dir / "checkpoints").glob("*.ckpt"):
            assert sound(path) is not None, path
    assert kills >= 10
    assert_same(resume(run_dir), whole("trainer.max_epochs=150", "callbacks.early_stopping.patience=200"))


def test_savings_that_were_killed_leave_no_litter_behind(in_child, tmp_path):
    def work():
        def die(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)

        saving = BestAndLast._save

        def save(*arguments):
            os.fsync = die
            saving(*arguments)

        BestAndLast._save = save
        train(compose(["trainer=cpu", "trainer.max_epochs=2", "metrics.bootstrap=0"]))

    assert in_child(work) == -signal.SIGKILL
    (run_dir,) = (tmp_path / "outputs/runs/run").iterdir()
    resume(run_dir)
    assert [path.name for path in run_dir.rglob("*.tmp")] == []


SMALL = ("data=wine", "trainer=cpu", "trainer.max_epochs=2", "model.units=4", "metrics.bootstrap=0", "test=false")


def written(run_dir):
    """Return checkpoint → which writing of it lies there."""
    return {path: path.stat().st_ino for path in run_dir.rglob("*.ckpt")}


@pytest.mark.parametrize("overrides", [(), (ALWAYS,), ("validation=kfold", "validation.k=2")], ids=str)
@pytest.mark.parametrize("lost", [[], ["last.ckpt"]], ids=["the result", "the result and the end of last.ckpt"])
def test_a_finished_run_that_lost_its_result_writes_it_again_and_no_checkpoint(overrides, lost):
    before = train(compose([*SMALL, *overrides]))
    (before.run_dir / "result.json").unlink()
    for name in lost:
        for file in before.run_dir.rglob(name):
            file.write_bytes(file.read_bytes()[:100])
    files = written(before.run_dir)
    again = resume(before.run_dir)
    assert (again.status, again.objective, again.metrics) == (before.status, before.objective, before.metrics)
    now = written(before.run_dir)
    assert now == files
    assert all(sound(file) is not None for file in before.run_dir.rglob("best.ckpt"))
