import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from curves import events
from pytorch_lightning import Callback
from rich.console import Console
from scipy.stats import bootstrap
from sklearn.metrics import mean_absolute_error

from lightune import compose, evaluate, resume, train, trust
from lightune.errors import CheckpointError, ConfigError, TrainingError
from lightune.metrics import ClassificationMetrics, RegressionMetrics
from lightune.reporting.curves import read_curves
from lightune.reporting.predictions import Predictions, read_validation
from lightune.reporting.result import read_result
from lightune.run import prepare
from lightune.statistics.confidence import confidence_interval
from lightune.training.context import RunContext
from lightune.training.run_record import RunRecord, concluding, mean_metric

SAMPLES = 80
TARGETS = torch.arange(SAMPLES) % 3


def probabilities(seed, classes=3):
    return torch.rand(SAMPLES, classes, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)


def measure_of(predicted, *, metrics=None, name="accuracy", targets=TARGETS):
    made = [Predictions(fit, torch.arange(SAMPLES), each, targets) for fit, each in enumerate(predicted)]
    return mean_metric(metrics or ClassificationMetrics(3), name, made)


def interval(predicted, *, resamples=200, **more):
    return confidence_interval(measure_of(predicted, **more), SAMPLES, resamples=resamples, level=0.95, seed=0)


def of_scipy(figure):
    """Bootstrap a figure of row numbers by hand."""
    found = bootstrap(
        (np.arange(SAMPLES),),
        figure,
        n_resamples=200,
        confidence_level=0.95,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return found.low, found.high


def test_the_interval_of_an_accuracy_is_that_of_scipy_on_hits():
    predicted = probabilities(1)
    hits = (predicted.argmax(dim=1) == TARGETS).double().numpy()
    assert interval([predicted]) == pytest.approx(of_scipy(lambda rows: hits[rows].mean()))


def test_the_figure_of_several_models_is_their_mean_on_the_same_resample():
    models = [probabilities(1), probabilities(2)]
    hits = np.mean([(p.argmax(dim=1) == TARGETS).double().numpy() for p in models], axis=0)
    assert interval(models) == pytest.approx(of_scipy(lambda rows: hits[rows].mean()))


def test_the_interval_of_a_regression_is_in_the_units_of_the_target():
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(SAMPLES, 1, generator=generator) * 100
    predicted = targets + torch.randn(SAMPLES, 1, generator=generator) * 10
    found = interval([predicted], metrics=RegressionMetrics(), name="mae", targets=targets)
    true, guess = targets.numpy(), predicted.numpy()
    assert found == pytest.approx(of_scipy(lambda rows: mean_absolute_error(true[rows], guess[rows])), rel=1e-5)
    assert 5 < found[0] < found[1] < 15


def test_a_perfect_model_has_an_interval_of_one_point():
    assert interval([torch.eye(3)[TARGETS]]) == (1.0, 1.0)


def test_a_resample_without_a_class_does_not_break_it():
    rare = torch.zeros(SAMPLES, dtype=torch.int64)
    rare[0] = 1
    low, high = interval(
        [probabilities(1, 2)], metrics=ClassificationMetrics(2), name="auroc", targets=rare, resamples=50
    )
    assert 0 <= low <= high <= 1


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Return the record of a run that has not begun, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    from rich.console import Console

    cfg = compose(["trainer=cpu", "model.units=4", "logger=none"])
    (tmp_path / "run").mkdir()
    return RunRecord(RunContext(cfg, prepare(cfg), tmp_path / "run", Console(quiet=True)))


def test_with_how_many_a_run_was_trained_as_one_program_is_told(record):
    for members in (6, 6, 3):
        record.trained_with(members)
    assert record.report("interrupted").provenance["fused"] == [[6, 2], [3, 1]]
    resumed = RunRecord(record.context)
    resumed.trained_with(3)
    assert resumed.report("interrupted").provenance["fused"] == [[6, 2], [3, 2]]


def test_what_fails_before_a_fit_began_leaves_a_result_without_figures(record):
    from lightune.errors import TrainingError

    with pytest.raises(TrainingError, match="no luck"), concluding(record):
        raise RuntimeError("no luck")
    result = read_result(record.context.run_dir)
    assert (result.status, result.error.type, result.objective.value) == ("failed", "RuntimeError", None)
    assert "no luck" in (record.context.run_dir / result.error.traceback_file).read_text()


def test_what_is_stopped_before_a_fit_began_can_be_resumed(record):
    from lightune.errors import InterruptedRun

    with pytest.raises(InterruptedRun) as stopped, concluding(record):
        raise KeyboardInterrupt
    assert stopped.value.exit_code == 130
    assert read_result(record.context.run_dir).status == "interrupted"


def test_a_refusal_leaves_no_result(record):
    from lightune.errors import ConfigError, Problem

    with pytest.raises(ConfigError), concluding(record):
        raise ConfigError([Problem("model", "is odd")])
    assert not (record.context.run_dir / "result.json").exists()


def test_the_repeats_of_a_run_have_the_figures_of_their_fits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = train(compose(["trainer=cpu", "trainer.max_epochs=1", "model.units=4", "repeats=2", "test=false"]))
    assert [entry.seed for entry in result.repeats] == [0, 1]
    values = [entry.objective.value for entry in result.repeats]
    assert result.objective.value == pytest.approx(np.mean(values))
    assert result.objective.std == pytest.approx(np.std(values, ddof=1))


def lines_of(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_folds_leave_mean_curves_and_the_rows_of_the_table_whose_label_is_doubtful(fold_run):
    table, doubted = lines_of(fold_run.table), lines_of(fold_run.folder / "mislabelled.csv")
    header = (fold_run.folder / "mislabelled.csv").read_text().splitlines()[0]
    assert header == "row,label,suggested,p_label,p_suggested"
    for each in doubted:
        assert table[int(each["row"])]["class"] == each["label"] != each["suggested"]
        assert float(each["p_label"]) < float(each["p_suggested"])
    tested = {line["row"] for line in lines_of(fold_run.folder / "predictions.csv")}
    assert not tested & {each["row"] for each in doubted}
    assert read_curves(fold_run.folder)["epoch"] == [0, 1]
    judged = [read_validation(fold_run.folder / "fits" / str(number)).rows.tolist() for number in range(3)]
    assert sorted(row for part in judged for row in part) == sorted(set(range(80)) - set(map(int, tested)))


def test_the_test_names_rows_files_and_classes(class_run, picture_run):
    table = lines_of(class_run.table)
    for line in lines_of(class_run.folder / "predictions.csv"):
        assert line["target"] == table[int(line["row"])]["class"]
    for line in lines_of(picture_run.folder / "predictions.csv"):
        assert Path(line["file"]).is_file()
        assert Path(line["file"]).parent.name == line["target"]
    assert {line["file"] for line in lines_of(picture_run.folder / "mistakes_test.csv")} <= {
        line["file"] for line in lines_of(picture_run.folder / "predictions.csv")
    }


def test_tensorboard_shows_the_confusions_of_the_test(tmp_path):
    words = ["data=wine", "model.units=4", "trainer.max_epochs=1", "trainer=cpu", f"output_root={tmp_path}"]
    result = train(compose(words))
    for name in ("confusion", "roc", "precision_recall"):
        (picture,) = events(result.run_dir).Images(f"test/{name}")
        assert picture.encoded_image_string.startswith(b"\x89PNG")
    assert "test/mistakes" not in events(result.run_dir).Tags()["images"]


def test_tensorboard_shows_the_mistakes_on_images(tmp_path):
    words = ["data=digits", "model.units=2", "trainer.max_epochs=1", "trainer=cpu", f"output_root={tmp_path}"]
    result = train(compose(words))
    (picture,) = events(result.run_dir).Images("test/mistakes")
    mistakes = lines_of(result.run_dir / "mistakes_test.csv")
    assert (picture.width, picture.height) == (6 * 102 + 6, -(-min(24, len(mistakes)) // 6) * 132 + 6)


def test_a_task_that_does_not_tell_what_it_predicts_is_named(tmp_path, caplog):
    cfg = compose(["data=wine", "model.units=4", "trainer=cpu", f"output_root={tmp_path}"])
    console = Console(file=io.StringIO(), width=20)
    record = RunRecord(RunContext(cfg, prepare(cfg), tmp_path, console))
    with caplog.at_level("INFO", logger="lightune"):
        record.add_test([{"test/loss": 1.0}], [])
    assert caplog.messages == [
        "predictions and errors of the test are left out: SupervisedTask does not tell what it predicts"
    ]
    assert console.file.getvalue() == f"{caplog.messages[0]}\n"
    assert list(tmp_path.glob("*.csv")) == []


OWN_TASK = """
import torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch.utils.data import DataLoader, TensorDataset


class Sides(LightningDataModule):
    num_classes = 2
    class_names = ("left", "right")

    def train_dataloader(self):
        x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
        return DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16)

    val_dataloader = test_dataloader = train_dataloader


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(2, 2)

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.line(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/accuracy", 0.5)
        return self.line(batch[0]).softmax(dim=1)

    def test_step(self, batch, batch_idx):
        self.log("test/loss", 0.5)
        return self.line(batch[0]).softmax(dim=1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Mute(Line):
    def test_step(self, batch, batch_idx):
        self.log("test/loss", 0.5)


class Untested(Line):
    test_step = LightningModule.test_step
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "sides.py").write_text(OWN_TASK)
    monkeypatch.syspath_prepend(str(tmp_path))
    trust("sides")

    def trained(task):
        cfg = compose(["trainer=cpu", "trainer.max_epochs=1", f"output_root={tmp_path}", "logger=none"])
        cfg.task, cfg.data = {"_target_": f"sides.{task}"}, {"_target_": "sides.Sides"}
        return train(cfg).run_dir

    yield trained
    del sys.modules["sides"]


def test_a_task_and_data_of_ones_own_have_their_errors_analysed(own):
    folder = own("Line")
    assert [line["class"] for line in lines_of(folder / "classes_test.csv")] == ["left", "right"]
    predicted = lines_of(folder / "predictions.csv")
    assert len(predicted) == 40
    assert {line["predicted"] for line in predicted} <= {"left", "right"}
    wrong = sum(line["target"] != line["predicted"] for line in predicted)
    assert len(lines_of(folder / "mistakes_test.csv")) == wrong
    for split in ("test", "val"):
        evaluate(folder, split=split, errors=folder / split)
        assert (folder / split / f"confusion_{split}.csv").read_text() == (
            folder / "confusion_test.csv"
        ).read_text()


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            "Mute",
            "predictions and errors of the test are left out: Mute.test_step returns no predictions; to have",
        ),
        ("Untested", "the test is left out: Untested has no test_step"),
    ],
)
def test_what_a_task_of_ones_own_lacks_is_said_in_a_line(own, task, said, capsys):
    folder = own(task)
    assert said in (folder / "train.log").read_text()
    assert said in capsys.readouterr().out
    if task == "Mute":
        with pytest.raises(
            ConfigError, match=r"--errors  needs predictions: Mute.test_step returns no predictions"
        ):
            evaluate(folder, errors=folder / "errors")


KEPT = ("trainer=cpu", "data=wine", "model.units=4", "trainer.max_epochs=2", "logger=none")
FOLDS = ("validation=kfold", "validation.k=2")


def checkpoints(run):
    return {path.name for path in Path(run).rglob("*.ckpt")}


@pytest.mark.parametrize("fits", [(), FOLDS], ids=["one fit", "folds"])
@pytest.mark.parametrize(
    ("keep", "left"), [("both", {"best.ckpt", "last.ckpt"}), ("best", {"best.ckpt"}), ("none", set())]
)
def test_a_finished_run_keeps_the_checkpoints_that_it_is_told_to(tmp_path, keep, left, fits):
    result = train(compose([*KEPT, *fits, f"callbacks.checkpoint.keep={keep}"]), run_dir=tmp_path)
    assert checkpoints(tmp_path) == left
    assert set(result.metrics) >= {"test/accuracy", "val/accuracy"}  # it was tested before
    named = [result.checkpoint, *(fold.checkpoint for fold in result.folds)]
    assert any(named) == (keep != "none")
    assert read_result(tmp_path) == result
    if keep == "none" and not fits:
        with pytest.raises(
            CheckpointError, match=r"best.ckpt: was removed, as callbacks.checkpoint.keep=none says"
        ):
            evaluate(tmp_path)


def test_without_its_last_checkpoint_a_run_is_made_longer_from_its_best_and_ends_the_same(tmp_path):
    """The second epoch is worse than the first."""
    runs = {}
    for keep in ("both", "best"):
        folder = tmp_path / keep
        words = [*KEPT, "optimizer=sgd", "optimizer.lr=3", f"callbacks.checkpoint.keep={keep}"]
        train(compose(words), run_dir=folder)
        runs[keep] = resume(folder, ["trainer.max_epochs=4"])
    assert runs["best"].metrics == runs["both"].metrics
    assert runs["best"].epochs == runs["both"].epochs == 4
    assert checkpoints(tmp_path / "best") == {"best.ckpt"}


@pytest.mark.parametrize("fits", [(), FOLDS], ids=["one fit", "folds"])
def test_without_checkpoints_a_run_is_not_made_longer(tmp_path, fits):
    train(compose([*KEPT, *fits, "callbacks.checkpoint.keep=none"]), run_dir=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"was removed, as callbacks.checkpoint.keep=none says"):
        resume(tmp_path, ["trainer.max_epochs=4"])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_is_kept_can_be_said_when_a_run_goes_on(tmp_path):
    train(compose([*KEPT]), run_dir=tmp_path)
    resume(tmp_path, ["trainer.max_epochs=3", "callbacks.checkpoint.keep=best"])
    assert checkpoints(tmp_path) == {"best.ckpt"}


def test_a_run_that_failed_keeps_what_it_goes_on_from(tmp_path):
    with pytest.raises(TrainingError):
        train(
            compose([*KEPT, "callbacks.checkpoint.keep=none"]),
            run_dir=tmp_path,
            watchers=[FailsAtTheEnd()],
        )
    assert checkpoints(tmp_path)


class FailsAtTheEnd(Callback):
    def on_train_end(self, trainer, pl_module):
        raise RuntimeError("at the end")
