"""One network, trained, judged and tested in a folder of its own."""

import math
import os
from pathlib import Path

import pytest
import torch
from curves import curves, events
from pytorch_lightning import Callback, LightningDataModule, LightningModule
from rich.console import Console
from sklearn.metrics import accuracy_score

from lightune import compose
from lightune.checkpoints import read_checkpoint
from lightune.config.build import FitPlan
from lightune.data.loader import TensorLoader
from lightune.errors import CheckpointError
from lightune.reporting.curves import read_curves
from lightune.reporting.predictions import read_validation
from lightune.run import prepare
from lightune.runtime.quiet import quiet
from lightune.training.fit import Fit, NothingTrainedError, no_driver_loaded

WINE = ("data=wine", "model.units=4", "trainer.max_epochs=2")
ALWAYS = "callbacks.checkpoint.every_seconds=0"


@pytest.fixture(autouse=True)
def _quiet():
    with quiet(verbose=False):
        yield


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make the first fit of a configuration, not trained yet."""
    monkeypatch.chdir(tmp_path)
    begun = []

    def make(*overrides, folder="run", **how):
        cfg = compose(["trainer=cpu", "trainer.max_epochs=3", *overrides])
        parts = prepare(cfg)
        folder = tmp_path / folder
        folder.mkdir(exist_ok=True)
        how = {"trainer": parts.trainer, "run_dir": folder, "console": Console(quiet=True), **how}
        begun.append(Fit(cfg, parts.data, parts.task, parts.plans[0], folder=folder, **how))
        return begun[-1]

    yield make
    for fit in begun:
        close(fit)


@pytest.fixture
def run(made):
    """Train the first fit of a configuration."""

    def train(*overrides, **how):
        fit = made(*overrides, **how)
        fit.train()
        close(fit)
        return fit

    return train


def close(fit):
    for board in fit.boards:
        board.close()


def test_early_stopping_is_told(run):
    result = run("trainer.max_epochs=50", "callbacks.early_stopping.patience=1", "optimizer.lr=0.01")
    assert result.ending == "early_stopped"
    assert result.result().epochs < 50
    assert run().ending == "completed"


def test_epochs_steps_and_samples_are_counted(run):
    fit = run("data.batch_size=100")
    fit.test()
    result = fit.result()
    assert result.epochs == 3
    assert result.steps == 3 * math.ceil(1257 / 100)
    assert result.samples_per_second > 0
    assert result.seconds.keys() == {"setup", "train", "validate", "test"}
    assert all(value > 0 for value in result.seconds.values())


def test_gradient_descent_takes_one_step_an_epoch(run):
    assert run("optimizer=gd").result().steps == 3


@pytest.mark.parametrize("callback", ["early_stopping", "checkpoint", "lr_monitor"])
def test_each_callback_can_be_removed(run, callback):
    fit = run(f"~callbacks.{callback}", "trainer.max_epochs=1")
    assert (fit.best_checkpoint is None) == (callback == "checkpoint")
    assert ("train/lr" in events(fit.folder).Tags()["scalars"]) == (callback != "lr_monitor")


def test_overfitting_learns_one_batch_by_heart(run):
    fit = run("trainer=overfit", "trainer.accelerator=cpu", "trainer.max_epochs=60", "callbacks=none")
    result = fit.result()
    assert result.metrics["train/accuracy"] == 1.0 or result.metrics["train/loss"] < 0.2
    assert result.steps == 60


def test_penalties_are_felt(run):
    def norm(*overrides):
        fit = run("logger=none", *overrides)
        state = read_checkpoint(fit.folder / "checkpoints" / "last.ckpt")["state_dict"]
        return sum(float(value.abs().sum()) for key, value in state.items() if key.endswith("weight"))

    plain = norm("regularization=none")
    assert norm("regularization=l1", "regularization.l1=1e-2") < 0.9 * plain
    assert norm("regularization=l2", "regularization.l2=1e-2") < 0.9 * plain


@pytest.mark.parametrize(
    ("overrides", "rates"),
    [
        (["scheduler=constant"], [1e-3] * 4),
        (["scheduler=exponential"], [1e-3 * 0.95**epoch for epoch in range(4)]),
        (["scheduler=step", "scheduler.step_size=2"], [1e-3, 1e-3, 1e-4, 1e-4]),
        (["scheduler=cosine"], [1e-3 * 0.5 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]),
        # 80 steps, 8 of them rising: an epoch begins at steps 0, 20, 40 and 60
        (
            ["scheduler=warmup_cosine"],
            [1e-3 / 9, *(1e-3 * 0.5 * (1 + math.cos(math.pi * (step - 8) / 72)) for step in (20, 40, 60))],
        ),
        # so slow that nothing gets better after the first epoch
        (
            ["scheduler=plateau", "scheduler.patience=0", "optimizer=sgd", "optimizer.lr=1e-6"],
            [1e-6, 1e-6, 1e-7, 1e-8],
        ),
    ],
    ids=lambda value: value[0] if isinstance(value[0], str) else "",
)
def test_every_scheduler_moves_the_learning_rate_as_its_name_says(run, overrides, rates):
    fit = run("trainer.max_epochs=4", *overrides)
    assert [event.value for event in events(fit.folder).Scalars("train/lr")] == pytest.approx(rates)


def test_its_result_is_that_of_the_best_epoch(run):
    fit = run(*WINE, "trainer.max_epochs=4", "optimizer=sgd", "optimizer.lr=3", fits=2)
    result, values = fit.result(), fit.record.curves["val/accuracy"]
    assert (result.objective.value, result.objective.epoch) == (max(values), values.index(max(values)))
    assert result.metrics["val/accuracy"] == max(values)
    assert (result.epochs, len(result.curves["step"])) == (4, 4)
    assert (result.index, result.seed, result.repeat, result.fold) == (0, 0, 0, 0)
    assert (result.status, result.checkpoint) == ("completed", "checkpoints/best.ckpt")
    assert result.curves == fit.record.curves


def test_a_fit_that_was_cut_off_has_the_figures_of_its_best_checkpoint(run):
    fit = run(*WINE, ALWAYS)
    saved = fit.result()
    fit.record.best.value, fit.record.best.epoch = 2.0, 2  # of an epoch that could not be saved
    fit.record.metrics = {"val/accuracy": 2.0}
    assert fit.result().objective.value == 2.0
    cut_off = fit.result(ended=False)
    assert (cut_off.objective, cut_off.metrics) == (saved.objective, saved.metrics)


def test_curves_have_a_place_for_every_epoch_whatever_is_measured_in_it(run):
    fit = run(*WINE, "trainer.max_epochs=4", "+trainer.check_val_every_n_epoch=2", "logger=none")
    fit.leave()
    read = read_curves(fit.folder)
    assert read["epoch"] == [0, 1, 2, 3]
    steps = fit.trainer.global_step
    assert read["step"] == [steps * part / 4 - 1 for part in (1, 2, 3, 4)]
    assert [value is None for value in read["val/accuracy"]] == [True, False, True, False]
    assert None not in read["train/loss"]
    assert read["val/accuracy"][3] == pytest.approx(float(fit.trainer.callback_metrics["val/accuracy"]))


def left_of(fit):
    """Return what a fit left of its validation, and the probabilities that its best checkpoint gives."""
    fit.keep_validation()
    fit.leave()
    fit.task.load_state_dict(read_checkpoint(fit.folder / "checkpoints/best.ckpt")["state_dict"])
    with torch.inference_mode():
        wanted = fit.task.eval().predictions(fit.task(fit.data.scaled("val")))
    return read_validation(fit.folder), wanted


UNSTEADY = (*WINE, "optimizer=sgd", "optimizer.lr=3", "trainer.max_epochs=5", ALWAYS)


def test_what_the_best_epoch_predicted_is_kept_and_not_what_the_last_did(run):
    fit = run(*UNSTEADY)
    assert fit.record.best.epoch < 4
    left, wanted = left_of(fit)
    assert torch.allclose(left.predicted, wanted, atol=1e-6)
    assert left.rows.tolist() == fit.data.rows_of("val").tolist()
    assert torch.equal(left.targets, fit.data.samples.targets[left.rows])
    assert accuracy_score(left.targets, left.predicted.argmax(1)) == pytest.approx(fit.record.best.value)


def test_a_resumed_fit_leaves_curves_and_predictions_of_the_whole(run, made):
    first = run(*UNSTEADY)
    best = first.record.best.epoch
    checkpoint = first.folder / "checkpoints/last.ckpt"
    again = made(*UNSTEADY, "trainer.max_epochs=6", checkpoint=checkpoint, resumed=True)
    again.train()
    assert again.record.best.epoch == best < 5  # which this process has not trained
    left, wanted = left_of(again)
    assert torch.allclose(left.predicted, wanted, atol=1e-6)
    assert read_curves(again.folder)["epoch"] == [0, 1, 2, 3, 4, 5]


def test_predictions_are_left_out_on_request_and_the_figures_of_classes_are_not(run):
    fit = run(*WINE, "search.keep_predictions=false")
    fit.keep_validation()
    fit.leave()
    assert not (fit.folder / "predictions_val.npz").exists()
    assert (fit.folder / "classes_val.csv").read_text().splitlines()[0] == "class,precision,recall,f1,support"


def test_without_metrics_predictions_are_kept_all_the_same(run):
    left, wanted = left_of(run(*WINE, "metrics.train=[]", "monitor.metric=val/loss", "monitor.mode=min"))
    assert torch.allclose(left.predicted, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (("optimizer=sgd", "optimizer.lr=3"), "best"),
        (("+trainer.check_val_every_n_epoch=10", "trainer.max_epochs=10"), "last"),
    ],
    ids=["measured", "never measured"],
)
def test_the_best_weights_are_tested_and_the_last_where_none_were_the_best(run, overrides, name, caplog):
    class Enough(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = trainer.current_epoch == 3

    fit = run(*WINE, ALWAYS, "trainer.max_epochs=4", *overrides, watchers=[Enough()])
    fit.task.model.requires_grad_(False)
    for value in fit.task.model.parameters():
        value.zero_()
    figures, predictions = fit.test()
    weights = read_checkpoint(fit.folder / "checkpoints" / f"{name}.ckpt")["state_dict"]
    assert all(torch.equal(value, weights[key]) for key, value in fit.task.state_dict().items())
    assert figures.keys() >= {"test/accuracy", "test/loss"}
    assert predictions.rows.tolist() == fit.data.rows_of("test").tolist()
    truth = fit.data.samples.targets[predictions.rows]
    assert figures["test/accuracy"] == pytest.approx(accuracy_score(truth, predictions.predicted.argmax(dim=1)))
    assert ("there is no best epoch, and the last is tested" in caplog.text) == (name == "last")


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 100)], ids=["gone", "damaged"])
def test_best_weights_that_are_lost_are_not_replaced_by_others(run, harm):
    fit = run(*WINE, ALWAYS)
    fit.require_best()
    harm(fit.folder / "checkpoints" / "best.ckpt")
    with pytest.raises(CheckpointError, match=r"best\.ckpt"):
        fit.require_best()
    with pytest.raises(CheckpointError, match=r"best\.ckpt"):
        fit.test()


def test_a_fit_goes_on_from_its_checkpoint_as_if_it_had_not_been_cut_off(made, run):
    dropout = (*WINE, ALWAYS, "model.dropout=0.3", "trainer.max_epochs=3")
    whole = run(*dropout)
    first = run(*dropout[:-1], "trainer.max_epochs=2", folder="cut")
    checkpoint = first.folder / "checkpoints" / "last.ckpt"
    first.trainer.loggers[0].log_metrics({"val/accuracy": 0.5}, first.trainer.global_step + 5)  # of a lost epoch
    close(first)
    again = run(*dropout, folder="cut", checkpoint=checkpoint, resumed=True)
    assert again.result().metrics == whole.result().metrics
    assert (again.result().epochs, again.result().steps) == (3, whole.result().steps)
    assert curves(again.folder)["val/accuracy"] == curves(whole.folder)["val/accuracy"]
    last = [read_checkpoint(fit.folder / "checkpoints" / "last.ckpt")["state_dict"] for fit in (whole, again)]
    assert all(torch.equal(value, last[1][name]) for name, value in last[0].items())


def test_the_test_is_drawn_at_the_step_that_is_told(made):
    fit = made(*WINE)
    fit.train()
    fit.log_at(99)
    fit.test()
    close(fit)
    assert [step for step, _ in curves(fit.folder)["test/accuracy"]] == [99]


def test_the_632_estimate_weighs_what_was_learnt_from_and_what_was_left_out(run):
    fit = run(*WINE, "validation=bootstrap", "validation.n=2", fits=2)
    learnt_before = fit.record.metrics["val/accuracy"]
    fit.judge_resubstitution()
    figures = []
    for part in ("train", "val"):
        inputs, targets = (torch.cat(each) for each in zip(*fit.data.evaluation_dataloader(part), strict=True))
        with torch.no_grad():
            figures.append(accuracy_score(targets, fit.task.eval()(inputs).argmax(dim=1)))
    assert fit.record.metrics["val/accuracy"] == learnt_before == pytest.approx(figures[1])
    expected = 0.368 * figures[0] + 0.632 * figures[1]
    assert fit.result().metrics["val/accuracy_632"] == pytest.approx(expected)


class Own(LightningModule):
    """A task of one's own, without a network that is called `model`."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        return (self.weight - 1).square()

    def validation_step(self, batch, batch_idx):
        self.log("val/accuracy", 0.5)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class OwnToTest(Own):
    def test_step(self, batch, batch_idx):
        self.log("test/own", 0.25)
        return torch.zeros(5)


class Data(LightningDataModule):
    def train_dataloader(self):
        return TensorLoader(torch.zeros(4, 1), torch.zeros(4), batch_size=2)

    val_dataloader = train_dataloader


class DataToTest(Data):
    test_dataloader = Data.train_dataloader


@pytest.mark.parametrize(
    ("task", "data", "can"), [(OwnToTest, DataToTest, True), (Own, DataToTest, False), (OwnToTest, Data, False)]
)
def test_a_task_of_ones_own_is_tested_if_it_and_its_data_can_be(tmp_path, task, data, can):
    cfg = compose(["trainer=cpu", "trainer.max_epochs=1", "logger=none"])
    places = {"folder": tmp_path, "run_dir": tmp_path, "console": Console(quiet=True)}
    fit = Fit(cfg, data(), task(), FitPlan(0, 0), **places)
    assert fit.can_be_tested == can
    fit.train()
    assert fit.result().objective.value == 0.5
    if can:
        assert fit.test() == ({"test/own": 0.25}, None)


def test_a_training_without_a_batch_fails(tmp_path):
    cfg = compose(["trainer=cpu", "logger=none", "callbacks=none", "+trainer.limit_train_batches=0"])
    fit = Fit(cfg, Data(), Own(), FitPlan(0, 0), folder=tmp_path, run_dir=tmp_path, console=Console(quiet=True))
    with pytest.raises(NothingTrainedError, match="no batch was trained on"):
        fit.train()


def test_a_task_without_a_network_to_compile_is_said_to_have_none(tmp_path, caplog):
    cfg = compose(["trainer=cpu", "trainer.max_epochs=1", "logger=none", "trainer.compile=default"])
    Fit(cfg, Data(), Own(), FitPlan(0, 0), folder=tmp_path, run_dir=tmp_path, console=Console(quiet=True)).train()
    assert "trainer.compile=default: Own has no `model` to compile" in caplog.text


@pytest.mark.parametrize(("before", "meanwhile"), [("1", "0"), (None, None)])
def test_no_driver_is_loaded_where_there_is_no_gpu(monkeypatch, before, meanwhile):
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv(name, before) if before else monkeypatch.delenv(name, raising=False)
    with no_driver_loaded():
        assert os.environ.get(name) == meanwhile
    assert os.environ.get(name) == before
