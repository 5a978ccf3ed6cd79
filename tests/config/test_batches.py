"""Runs that would train on nothing, measure nothing, or learn from one row are refused before they start."""

import pytest
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lightune import compose, train, trust
from lightune.checkpoints import read_checkpoint
from lightune.errors import ConfigError
from lightune.run import prepare

BASE = ["trainer=cpu", "data=wine", "logger=none", "trainer.max_epochs=2", "metrics.bootstrap=0"]
NORMALIZED = ["model.batch_norm=true", "model.units=8"]


class Stream(IterableDataset):
    def __iter__(self):
        for index in range(24):
            yield torch.randn(13), torch.tensor(index % 3)


class Own(LightningDataModule):
    """Data that divide themselves.

    Args:
        rows: of the training part; 0 for a stream.
        batch_size: of it.
    """

    input_shape, num_classes = (13,), 3

    def __init__(self, rows: int = 17, batch_size: int = 8):
        super().__init__()
        self.rows_wanted, self.size = rows, batch_size

    def _loader(self, rows):
        if not rows:
            return DataLoader(Stream(), batch_size=self.size)
        return DataLoader(TensorDataset(torch.randn(rows, 13), torch.arange(rows) % 3), batch_size=self.size)

    def train_dataloader(self):
        return self._loader(self.rows_wanted)

    def val_dataloader(self):
        return self._loader(16)

    def test_dataloader(self):
        return self._loader(16)


OWN = ["~data", f"+data._target_={__name__}.Own", "monitor.metric=val/loss", "monitor.mode=min"]


@pytest.fixture(autouse=True)
def own_data():
    """Let configurations name the data above."""
    trust(__name__)


def problem_of(*overrides):
    with pytest.raises(ConfigError) as refusal:
        prepare(compose([*BASE, *overrides]))
    (problem,) = refusal.value.problems
    return f"{problem.key} {problem.message}"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["+trainer.limit_train_batches=0"], "trainer.limit_train_batches must be"),
        (["+trainer.limit_train_batches=0.1"], "trainer.limit_train_batches leaves none of 2 batches, got 0.1"),
        (["+trainer.limit_val_batches=0.5"], "trainer.limit_val_batches leaves none of 1 batch, got 0.5"),
        (["+trainer.limit_test_batches=0.5"], "trainer.limit_test_batches leaves none of 1 batch, got 0.5"),
        (
            ["+trainer.val_check_interval=100"],
            "trainer.val_check_interval must be at most the 2 batches of an epoch",
        ),
        (["+trainer.check_val_every_n_epoch=3"], "trainer.max_epochs must be >= 3, when val/accuracy is measured"),
        (["+trainer.max_steps=1"], "trainer.max_steps must be >= 2, when val/accuracy is measured first, got 1"),
        (
            ["+trainer.val_check_interval=5", "+trainer.check_val_every_n_epoch=null"],
            "trainer.max_epochs must be >= 3, when val/accuracy is measured first, got 2",
        ),
        (
            ["+trainer.max_steps=1", "+trainer.accumulate_grad_batches=2", "+trainer.check_val_every_n_epoch=2"],
            "trainer.max_steps must be >= 2",
        ),
        (["data.batch_size=1", *NORMALIZED], "data.batch_size makes a training batch of one row (124 rows in"),
        (
            ["data.batch_size=1", "validation=kfold", "validation.k=3", *NORMALIZED],
            "rows in batches of 1 (fit 1 of 3)), which the model refuses: Expected more than 1 value per channel",
        ),
        ([*OWN, *NORMALIZED], "data makes a training batch of one row (17 rows in batches of 8), which the model"),
        ([*OWN, "+data.rows=0", "scheduler=warmup_cosine"], "scheduler warmup_cosine needs the number of steps"),
        (
            ["scheduler=plateau", *["+trainer.check_val_every_n_epoch=null", "+trainer.val_check_interval=3"]],
            "scheduler looks at val/accuracy after each epoch; trainer.check_val_every_n_epoch=null",
        ),
    ],
)
def test_what_cannot_run_is_told_before_with_the_numbers(overrides, said):
    assert said in problem_of(*overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["+trainer.val_check_interval=3", "+trainer.check_val_every_n_epoch=null"],
        ["+trainer.val_check_interval=2"],
        ["+trainer.limit_train_batches=0.5"],
        ["+trainer.limit_train_batches=1"],
        ["+trainer.max_steps=2"],
        ["scheduler=plateau", "scheduler.patience=0", "+trainer.check_val_every_n_epoch=2"],
        [*OWN, "+data.rows=0", "scheduler=warmup_cosine", "+trainer.max_steps=5"],
        [*OWN, "+data.rows=0", "scheduler=warmup_cosine", "+trainer.limit_train_batches=2"],
        [*OWN, "+data.rows=0"],
        [*OWN, "+data.rows=18", *NORMALIZED],
        [*OWN, "+data.rows=17"],
        ["data.batch_size=1"],
        ["data.batch_size=3", "validation=kfold", "validation.k=3", *NORMALIZED],
    ],
)
def test_what_can_run_runs(overrides, tmp_path):
    result = train(compose([*BASE, *overrides, f"output_root={tmp_path}"]))
    assert result.status == "completed"
    assert result.objective.value is not None


def test_a_plateau_looks_at_each_figure_once(tmp_path):
    never_good = ["scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.99", "trainer.max_epochs=6"]
    overrides = [*never_good, "+trainer.check_val_every_n_epoch=2", "monitor.metric=val/loss", "monitor.mode=min"]
    result = train(compose([*BASE, *overrides, f"output_root={tmp_path}"]))
    (scheduler,) = read_checkpoint(result.run_dir / "checkpoints/last.ckpt")["lr_schedulers"]
    assert scheduler["last_epoch"] == 3
    assert scheduler["_last_lr"] == [pytest.approx(1e-3 * 0.1**2)]
