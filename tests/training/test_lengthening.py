"""A finished run that cannot be made longer is what it was."""

import pytest
from pytorch_lightning import Callback

from lightune import compose, evaluate, resume, train
from lightune.errors import ConfigError, InterruptedRun, StopRequested, TrainingError
from lightune.reporting.result import read_result
from lightune.training.lengthening import forget_finished, keep_finished, put_back_finished
from lightune.training.resumption import resumed_config

BASE = ["trainer=cpu", "data=wine", "trainer.max_epochs=2", "metrics.bootstrap=0", "optimizer.lr=0.01"]
LONGER = ["trainer.max_epochs=6"]


class Raising(Callback):
    """Raises as an epoch starts."""

    def __init__(self, error, epoch=4):
        super().__init__()
        self.error, self.epoch = error, epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise self.error


def state_of(run_dir):
    names = ("result.json", "resumed.yaml", "fit.json", "best.ckpt", "last.ckpt", "predictions_val.npz")
    left = [path for path in run_dir.rglob("*") if path.name in names or path.suffix == ".csv"]
    assert {"curves.csv", "classes_val.csv", "predictions_val.npz"} <= {path.name for path in left}
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in left}


def lengthen(run_dir, *watchers):
    return train(resumed_config(run_dir, LONGER, compose(LONGER)), run_dir=run_dir, resume=True, watchers=watchers)


@pytest.mark.parametrize(
    "fits", [[], pytest.param(["repeats=2"], marks=pytest.mark.long)], ids=["one fit", "two fits"]
)
def test_a_run_that_fails_while_it_is_made_longer_is_what_it_was(fits, tmp_path):
    first = train(compose([*BASE, *fits, f"output_root={tmp_path}"]))
    before = state_of(first.run_dir)
    with pytest.raises(TrainingError, match=r"on purpose; the run is what it was .* \(completed\)"):
        lengthen(first.run_dir, Raising(RuntimeError("on purpose")))
    assert state_of(first.run_dir) == before
    assert (first.run_dir / "traceback.txt").is_file()
    assert resume(first.run_dir, LONGER).status == "completed"
    assert not put_back_finished(first.run_dir)


def test_a_refusal_while_it_is_made_longer_leaves_it_as_it_was(tmp_path):
    first = train(compose([*BASE, f"output_root={tmp_path}"]))
    before = state_of(first.run_dir)
    with pytest.raises(ConfigError):
        lengthen(first.run_dir, Raising(ConfigError([])))
    assert state_of(first.run_dir) == before


def test_a_run_that_fails_after_an_interruption_of_its_lengthening_is_what_it_was(tmp_path):
    first = train(compose([*BASE, f"output_root={tmp_path}"]))
    before = state_of(first.run_dir)
    with pytest.raises(InterruptedRun):
        lengthen(first.run_dir, Raising(StopRequested(2), epoch=3))
    assert read_result(first.run_dir).status == "interrupted"
    with pytest.raises(TrainingError):
        lengthen(first.run_dir, Raising(RuntimeError("on purpose")))
    assert state_of(first.run_dir) == before
    assert evaluate(first.run_dir)["test/loss"] == first.metrics["test/loss"]


def test_what_was_not_finished_is_not_put_back(tmp_path):
    (tmp_path / "result.json").write_text("{}")
    assert put_back_finished(tmp_path) is None
    keep_finished(tmp_path)
    forget_finished(tmp_path)
    assert put_back_finished(tmp_path) is None


def test_where_there_are_no_links_files_are_copied(tmp_path, monkeypatch):
    first = train(compose([*BASE, "callbacks=none", "test=false", f"output_root={tmp_path}"]))

    def refuse(*arguments):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    before = state_of(first.run_dir)
    keep_finished(first.run_dir)
    (first.run_dir / "result.json").write_text("other")
    (first.run_dir / "fit.json").write_text("new")
    assert put_back_finished(first.run_dir) == "completed"
    assert state_of(first.run_dir) == before
