"""Which fits of a run are trained, in which order, and when they are tested."""

import signal
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from curves import curves
from pytorch_lightning import Callback
from rich.console import Console
from sklearn.metrics import accuracy_score

from lightune import compose, evaluate, train
from lightune.config.trainer import make_trainer
from lightune.errors import StopRequested
from lightune.reporting.fits import read_fit
from lightune.reporting.predictions import read_predictions
from lightune.run import prepare
from lightune.runtime.quiet import quiet
from lightune.training.context import RunContext
from lightune.training.fits import Fits
from lightune.training.run_record import RunRecord

SHORT = ("trainer=cpu", "data=wine", "trainer.max_epochs=2", "model.units=16", "optimizer.lr=0.01")
FOLDS = ("validation=kfold", "validation.k=3", "validation.fused=never", "metrics.bootstrap=0")


@pytest.fixture(autouse=True)
def _quiet():
    with quiet(verbose=False):
        yield


class Order(Callback):
    """Note of each fit that begins its folder, and when samples of the test part are seen."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_fit_start(self, trainer, pl_module):
        self.seen.append(trainer.default_root_dir.rpartition("/")[2])

    def on_test_start(self, trainer, pl_module):
        self.seen.append("test")


class Run:
    """The fits of a run in a folder, and what is known of them."""

    def __init__(self, cfg, folder, report=None, resumed=False, watchers=()):
        parts = prepare(cfg)
        self.trainer, self.order = parts.trainer or make_trainer(cfg), Order()
        folder.mkdir(exist_ok=True)
        self.context = RunContext(cfg, parts, folder, Console(quiet=True), resumed=resumed)
        self.record = RunRecord(self.context)
        self.fits = Fits(self.context, self.record, self.trainer, (self.order, *watchers), report)

    def end(self):
        return self.record.report(self.record.ending)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Make the fits of a run ready."""
    monkeypatch.chdir(tmp_path)
    begun = []

    def make(*overrides, **how):
        begun.append(Run(compose([*SHORT, *overrides]), tmp_path / "run", **how))
        return begun[-1]

    yield make
    for one in begun:
        for board in one.record._boards:
            board.close()


def test_a_single_fit_is_trained_and_tested_in_the_runs_own_folder(run):
    one = run()
    one.fits.train()
    one.fits.test()
    assert one.order.seen == ["run", "test"]
    assert one.record.current.trainer is one.trainer
    result = one.end()
    (predictions,) = read_predictions(result.run_dir)
    truth = one.context.parts.data.samples.targets[predictions.rows]
    figure = accuracy_score(truth, predictions.predicted.argmax(dim=1))
    assert result.metrics["test/accuracy"] == pytest.approx(figure)
    assert (result.status, result.epochs, result.folds) == ("completed", 2, [])
    assert result.seconds["test"] > 0


def test_several_fits_are_trained_one_after_the_other_and_then_tested(run, tmp_path):
    one = run(*FOLDS)
    one.fits.train()
    one.fits.test()
    assert one.order.seen == ["0", "1", "2", "test", "test", "test"]
    assert [read_fit(tmp_path / "run" / "fits" / str(index)) for index in range(3)] == one.record.finished
    result = one.end()
    figures = [
        accuracy_score(one.context.parts.data.samples.targets[each.rows], each.predicted.argmax(dim=1))
        for each in read_predictions(result.run_dir)
    ]
    assert result.metrics["test/accuracy"] == pytest.approx(np.mean(figures))
    steps = [fit.steps for fit in one.record.finished]
    drawn = [curves(tmp_path / "run" / "fits" / str(index))["test/accuracy"] for index in range(3)]
    assert [[step for step, _ in points] for points in drawn] == [[step] for step in steps]
    files = [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]
    assert files == []


def test_finished_fits_of_a_resumed_run_are_not_trained_again(run, tmp_path):
    first = run(*FOLDS)
    first.fits.train()
    first.end()
    (tmp_path / "run" / "fits" / "1" / "fit.json").unlink()
    again = run(*FOLDS, resumed=True)
    again.fits.train()
    assert again.order.seen == ["1"]
    assert [fit.metrics for fit in again.record.finished] == [fit.metrics for fit in first.record.finished]
    new = run(*FOLDS)
    new.fits.train()
    assert new.order.seen == ["0", "1", "2"]  # only a resumed run takes what its folder holds for its own


def test_a_single_fit_reports_its_epochs_but_the_last_and_is_pruned_when_told_to(run):
    told = []
    one = run("trainer.max_epochs=3", report=lambda *given: told.append(given))
    one.fits.train()
    one.end()
    assert [epochs for epochs, _ in told] == [1, 2]
    told.clear()
    one = run("trainer.max_epochs=3", report=lambda *given: told.append(given) or True)
    one.fits.train()
    assert told == [(1, one.record.finished[0].objective.value)]
    assert one.end().status == "pruned"


def test_several_fits_report_their_running_mean_but_the_last(run):
    told = []
    one = run(*FOLDS, report=lambda *given: told.append(given))
    one.fits.train()
    values = [fit.objective.value for fit in one.record.finished]
    assert told == [(1, values[0]), (2, pytest.approx(np.mean(values[:2])))]
    assert one.end().status == "completed"


def test_a_run_of_several_fits_that_is_pruned_trains_and_tests_no_more(run):
    one = run(*FOLDS, report=lambda *given: True)
    one.fits.train()
    one.fits.test()
    assert (one.order.seen, one.record.pruned) == (["0"], True)
    assert one.end().status == "pruned"


@pytest.mark.parametrize("overrides", [(), FOLDS], ids=["one fit", "three fits"])
def test_without_a_test_the_test_part_stays_untouched(run, overrides):
    one = run("test=false", "trainer.max_epochs=1", "metrics.bootstrap=20", *overrides)
    one.fits.train()
    one.fits.test()
    result = one.end()
    assert "test" not in one.order.seen
    assert [name for name in result.metrics if name.startswith("test/")] == []
    assert result.intervals == {}
    assert not (result.run_dir / "predictions.csv").exists()


def test_a_signal_between_two_fits_stops_the_run(run):
    class Ask(Callback):
        def on_fit_end(self, trainer, pl_module):
            one.context.interruption.received = signal.SIGTERM

    one = run(*FOLDS, watchers=[Ask()])
    with pytest.raises(StopRequested):
        one.fits.train()
    assert (one.order.seen, len(one.record.finished)) == (["0"], 1)


def test_fits_that_were_trained_together_are_taken_in_their_order_up_to_one_that_failed(run, monkeypatch):
    ended = {0: SimpleNamespace(index=0), 1: RuntimeError("it diverged")}
    asked = []

    def train_fused(context, record, watchers, *, is_pruned):
        asked.append((context, record, is_pruned))
        return ended

    monkeypatch.setattr("lightune.training.fused.fold_strategy.train_fused", train_fused)
    one = run(*FOLDS)
    with pytest.raises(RuntimeError, match="it diverged"):
        one.fits.train()
    assert (one.order.seen, one.record.finished) == ([], [ended[0]])
    assert asked == [(one.context, one.record, False)]


def test_fits_that_were_not_trained_together_are_trained_one_by_one(run, monkeypatch):
    ended = {1: SimpleNamespace(index=1)}
    monkeypatch.setattr("lightune.training.fused.fold_strategy.train_fused", lambda *_, **__: ended)
    one = run(*FOLDS)
    one.fits.train()
    assert one.order.seen == ["0", "2"]
    assert [fit.index for fit in one.record.finished] == [0, 1, 2]


def test_folds_that_are_not_judged_in_every_epoch_have_a_mean_too(tmp_path):
    every = ["+trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4", f"output_root={tmp_path}"]
    result = train(compose([*SHORT, *FOLDS, *every]))
    assert result.objective.value == pytest.approx(np.mean([fold.objective.value for fold in result.folds]))
    assert {fold.objective.epoch % 2 for fold in result.folds} == {1}
    assert len(curves(result.run_dir)["train/loss"]) == 4


def test_fits_that_were_never_judged_are_tested_with_their_last_weights(tmp_path):
    class Enough(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = trainer.current_epoch == 3

    never = ["+trainer.check_val_every_n_epoch=10", "trainer.max_epochs=10", "repeats=2", "metrics.bootstrap=0"]
    result = train(compose([*SHORT, *never, f"output_root={tmp_path}"]), watchers=[Enough()])
    assert result.objective.value is None
    assert result.metrics["test/accuracy"] > 0.8
    assert evaluate(result.run_dir, checkpoint="last")["test/accuracy"] == result.metrics["test/accuracy"]
