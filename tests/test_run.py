import json
from importlib import resources

import jsonschema
import pytest
import torch
from curves import events

from lightune import compose, evaluate, resume, train
from lightune.config.trust import trust
from lightune.errors import CheckpointError, ConfigError
from lightune.reporting.result import read_result
from lightune.run import TrainingError, prepare

SCHEMA = json.loads(resources.files("lightune.reporting").joinpath("result.schema.json").read_text())


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Train a few short epochs in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)

    def start(*overrides):
        return train(compose(["trainer=cpu", "trainer.max_epochs=3", *overrides]))

    return start


def content(result):
    return json.loads((result.run_dir / "result.json").read_text())


def test_a_run_leaves_what_it_promises(run):
    result = run()
    left = {str(path.relative_to(result.run_dir)) for path in result.run_dir.rglob("*") if path.is_file()}
    events = {name for name in left if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert left - events - {"uncommitted.diff"} == {
        ".hydra/config.yaml",
        "result.json",
        "train.log",
        "checkpoints/best.ckpt",
        "checkpoints/best.ckpt.sha256",
        "checkpoints/last.ckpt",
        "checkpoints/last.ckpt.sha256",
        "classes_test.csv",
        "classes_val.csv",
        "confusion_test.csv",
        "curves.csv",
        "data.json",
        "environment.json",
        "mistakes_test.csv",
        "predictions.csv",
        "predictions_val.npz",
    }
    assert result.run_dir.parent.parent.parent.name == "outputs"


def test_the_result_follows_its_schema_and_reads_back(run):
    result = run()
    jsonschema.validate(content(result), SCHEMA)
    assert read_result(result.run_dir) == result


def test_the_objective_is_that_of_the_best_epoch_and_not_of_the_last(run):
    result = run("trainer.max_epochs=6", "optimizer=sgd", "optimizer.lr=0.9", "scheduler=exponential")
    curve = {event.step: event.value for event in events(result.run_dir).Scalars("val/accuracy")}
    values = list(curve.values())
    assert result.objective.value == pytest.approx(max(values))
    assert result.objective.epoch == values.index(max(values))
    assert result.metrics["val/accuracy"] == result.objective.value
    loss = [event.value for event in events(result.run_dir).Scalars("train/loss")]
    assert result.metrics["train/loss"] == pytest.approx(loss[result.objective.epoch])


def test_the_same_seed_gives_the_same_run_to_the_bit(run):
    one, two, other = run("model.dropout=0.2"), run("model.dropout=0.2"), run("model.dropout=0.2", "seed=1")
    assert one.metrics == two.metrics
    assert one.metrics != other.metrics
    states = [torch.load(r.run_dir / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for r in (one, two)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert one.run_dir != two.run_dir


def test_checkpoints_hold_plain_values_only(run):
    result = run("scheduler=plateau", "callbacks.early_stopping.patience=1")
    for name in ("best", "last"):
        checkpoint = torch.load(result.run_dir / f"checkpoints/{name}.ckpt", weights_only=True)
        assert {"state_dict", "optimizer_states", "lr_schedulers", "callbacks", "epoch"} <= checkpoint.keys()


def test_a_run_without_callbacks_or_logger_still_has_a_result(run):
    result = run("callbacks=none", "logger=none")
    assert result.checkpoint is None
    assert result.objective.value is not None
    assert result.metrics["test/accuracy"] > 0.1
    assert {path.name for path in result.run_dir.iterdir()} - {"uncommitted.diff"} == {
        ".hydra",
        "classes_test.csv",
        "classes_val.csv",
        "confusion_test.csv",
        "curves.csv",
        "data.json",
        "environment.json",
        "mistakes_test.csv",
        "predictions.csv",
        "predictions_val.npz",
        "result.json",
        "train.log",
    }
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        evaluate(result.run_dir)


def test_the_csv_logger_writes_into_the_run(run):
    result = run("logger=csv")
    header = (result.run_dir / "metrics.csv").read_text().splitlines()[0]
    assert {"val/accuracy", "train/loss"} <= set(header.split(","))


def test_tensorboard_shows_curves_without_noise(run):
    result = run()
    assert set(events(result.run_dir).Tags()["scalars"]) == {
        "train/loss", "train/accuracy", "train/lr", "objective",
        *(f"{stage}/{name}" for stage in ("val", "test")
          for name in ("loss", "accuracy", "precision", "recall", "f1", "auroc")),
    }  # fmt: skip
    for name in ("val/loss", "val/accuracy"):
        best = events(result.run_dir).Scalars(name)[-1]  # after all epochs, that of the weights that are kept
        assert best.value == pytest.approx(result.metrics[name])
    assert events(result.run_dir).Scalars("objective")[-1].value == pytest.approx(result.objective.value)


def test_a_failing_training_leaves_a_result_and_a_traceback(run, tmp_path, monkeypatch):
    source = (
        "from pytorch_lightning import Callback\n"
        "class Bomb(Callback):\n"
        "    def on_train_epoch_end(self, trainer, module):\n"
        "        if trainer.current_epoch == 1: raise RuntimeError('it went off')\n"
    )
    (tmp_path / "own_bomb.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    trust("own_bomb")
    with pytest.raises(TrainingError, match="it went off") as failure:
        run("+callbacks.bomb._target_=own_bomb.Bomb")
    result = failure.value.result
    jsonschema.validate(content(result), SCHEMA)
    assert result.status == "failed"
    assert result.error.type == "RuntimeError"
    assert "it went off" in (result.run_dir / result.error.traceback_file).read_text()
    assert result.objective.value is not None


def test_a_refused_configuration_writes_nothing(run, tmp_path):
    with pytest.raises(ConfigError):
        run("optimizer.lr=-1")
    with pytest.raises(ConfigError):
        run("model.units=[1,2,3]")
    assert list(tmp_path.iterdir()) == []


def test_provenance_says_where_a_result_came_from(run):
    provenance = run("logger=none", "trainer.max_epochs=1").provenance
    assert provenance["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert provenance["device"].startswith("cpu")
    assert len(provenance["data"]) == 32
    assert provenance["command"]


def test_the_main_job_learns_to_read_digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(compose(["trainer=cpu"])).metrics["test/accuracy"] >= 0.95


def test_parts_serve_one_run(tmp_path):
    cfg = compose(["trainer=smoke", "logger=none", f"output_root={tmp_path}"])
    parts = prepare(cfg)
    train(cfg, parts=parts, run_dir=tmp_path / "first")
    with pytest.raises(
        ConfigError, match=r"parts.* have trained a run, and hold its weights; prepare\(cfg\) makes"
    ):
        train(cfg, parts=parts, run_dir=tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_what_is_no_configuration_is_refused():
    with pytest.raises(ConfigError, match=r"train\(compose\(\[\.\.\.\]\)\), got a list"):
        train(["data=wine"])


def test_a_run_in_a_folder_of_ones_own_goes_on_and_is_measured_like_others(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("by hand")
    cfg = compose(["data=wine", "trainer=cpu", "trainer.max_epochs=2", f"output_root={tmp_path}"])
    result = train(cfg, run_dir=f"{tmp_path / 'mine'}")
    assert result.run_dir == tmp_path / "mine"
    assert evaluate(result.run_dir)["test/accuracy"] == result.metrics["test/accuracy"]
    assert resume(result.run_dir, ["trainer.max_epochs=3"]).epochs == 3
    before = {path: path.read_bytes() for path in result.run_dir.rglob("*") if path.is_file()}
    with pytest.raises(
        ConfigError, match=r"run_dir +holds a run \(result.json, .hydra, checkpoints\), got .*/mine"
    ):
        train(cfg, run_dir=result.run_dir)
    assert {path: path.read_bytes() for path in result.run_dir.rglob("*") if path.is_file()} == before
