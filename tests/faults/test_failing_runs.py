"""Runs that fail: a diverging loss, memory that runs out, a disk that is full."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from pytorch_lightning import Callback

from lightune import compose, resume, train
from lightune.callbacks import Record
from lightune.checkpoints import read_checkpoint
from lightune.cli import train as command
from lightune.reporting.result import read_result
from lightune.run import TrainingError
from lightune.training.resumable_checkpoints import newest_checkpoint

SHORT = ["trainer=cpu", "model.units=16", "metrics.bootstrap=50", "data.batch_size=100", "trainer.max_epochs=4"]


def is_finite(path):
    return all(bool(torch.isfinite(value).all()) for value in read_checkpoint(path)["state_dict"].values())


def test_a_diverging_run_fails_with_the_step_and_the_value(cli, tmp_path):
    code, out, err = cli(*SHORT, "optimizer=sgd", "optimizer.lr=1e30", "callbacks.checkpoint.every_seconds=0")
    assert code == 1
    assert "Traceback" not in out + err
    (run_dir,) = (tmp_path / "outputs/runs/run").iterdir()
    result = read_result(run_dir)
    assert result.status == "failed"
    assert result.error.type == "NonFiniteLossError"
    assert "the training loss became nan at step " in result.error.message or "became inf" in result.error.message
    assert result.error.message in " ".join(out.split())
    assert not list(run_dir.glob("checkpoints/*.ckpt"))
    assert not [name for name in result.metrics if name.startswith("test/")]


class Poison(Callback):
    """Makes the weights NaN after so many steps."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_train_batch_end(self, trainer, pl_module, *arguments):
        if trainer.global_step == self.after:
            next(pl_module.parameters()).data.fill_(float("nan"))


@pytest.mark.filterwarnings("ignore:Encountered `nan` values")
@pytest.mark.parametrize(
    ("after", "said"),
    [
        (20, "the training loss became nan at step 21;"),
        (26, "the weights became non-finite at step 26;"),
        (52, "the weights became non-finite at step 52;"),
    ],
    ids=["in an epoch", "at an epoch's end", "in the last step"],
)
def test_weights_that_are_no_numbers_are_not_saved_nor_judged(after, said):
    cfg = compose([*SHORT, "callbacks.checkpoint.every_seconds=0"])
    with pytest.raises(TrainingError, match=said) as failure:
        train(cfg, watchers=[Poison(after)])
    result = failure.value.result
    assert result.status == "failed"
    last = newest_checkpoint(result.run_dir)
    assert is_finite(last)
    assert read_checkpoint(last)["global_step"] == after - 1
    assert is_finite(result.run_dir / "checkpoints" / "best.ckpt")
    assert result.objective.epoch < (after - 1) // 13


@pytest.mark.filterwarnings("ignore:Encountered `nan` values")
def test_a_last_update_before_the_end_of_an_epoch_is_looked_at_too():
    cfg = compose([*SHORT, "+trainer.max_steps=20", "callbacks.checkpoint.every_seconds=0"])
    with pytest.raises(TrainingError, match="the weights became non-finite at step 20;"):
        train(cfg, watchers=[Poison(20)])


def test_a_diverged_fold_fails_the_run_and_goes_on_when_asked(whole, assert_same):
    class Bomb(Callback):
        fits = -1

        def on_fit_start(self, trainer, pl_module):
            self.fits += 1

        def on_train_batch_end(self, trainer, *arguments):
            if self.fits == 1 and trainer.global_step == 12:
                raise RuntimeError("it went off")

    folds = ("validation=kfold", "validation.k=3", "trainer.max_epochs=2")
    with pytest.raises(TrainingError, match="it went off") as failure:
        train(compose([*SHORT, *folds]), watchers=[Bomb()])
    result = failure.value.result
    assert (result.status, len(result.folds)) == ("failed", 1)
    assert_same(resume(result.run_dir), whole(*folds))


def test_memory_that_runs_out_is_told_in_one_line(cli, tmp_path, monkeypatch):
    class Greedy(Callback):
        def on_train_start(self, trainer, pl_module):
            torch.empty(2**62, dtype=torch.uint8)

    said = r"out of memory: 4,611,686,018 GB of memory were asked for at once; try a smaller data\.batch"
    with pytest.raises(TrainingError, match=said):
        train(compose(SHORT), watchers=[Greedy()])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=8m", "lightune_test", str(folder)]
    if not mount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this process may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder, *, free):
    """Leave so many bytes of a file system free."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(folder).free - free)))
    return ballast


@pytest.mark.parametrize("free", [40_960, 0], ids=["almost full", "full"])
def test_a_disk_that_fills_up_ends_the_run_in_one_line_and_it_goes_on_when_there_is_space(
    free, small_disk, in_child, tmp_path, whole, assert_same
):
    said = tmp_path / "said"

    def work():
        def epoch_ends(record, trainer, module):
            ends(record, trainer, module)
            if trainer.current_epoch == 1:
                fill(small_disk, free=free)

        ends, Record.on_train_epoch_end = Record.on_train_epoch_end, epoch_ends
        with said.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2))
        sys.argv = ["train.py", *SHORT, f"output_root={small_disk}", "callbacks.checkpoint.every_seconds=0"]
        command.main()

    code = in_child(work)
    text = said.read_text()
    assert code == 1, text
    assert "Traceback" not in text
    assert "the disk is full" in text
    assert "No space left on device" in text
    (run_dir,) = (small_disk / "runs" / "run").iterdir()
    assert newest_checkpoint(run_dir) is not None
    (small_disk / "ballast").unlink()
    assert_same(resume(run_dir), whole())


def test_a_disk_that_is_full_beforehand_is_one_line(small_disk, cli):
    fill(small_disk, free=0)
    code, out, err = cli(*SHORT, f"output_root={small_disk}")
    assert code == 2
    assert "Traceback" not in out + err
    assert "output_root  has 0 MB free; " in err


def test_an_output_root_that_cannot_be_written_to_is_refused_before_training(cli):
    code, _, err = cli(*SHORT, "output_root=/proc/outputs")
    assert code == 2
    assert "output_root" in err
    assert "Traceback" not in err
