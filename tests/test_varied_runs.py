"""Runs, folds and studies whose training samples are varied, and those whose classes weigh differently."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from closeness import close
from file_runs import SMALL, write_source
from studies import result_of

from lightune import compose, evaluate, load, train
from lightune.checkpoints import read_checkpoint
from lightune.errors import ConfigError
from lightune.run import prepare

pytestmark = pytest.mark.long

QUICK = ["trainer=cpu", "trainer.max_epochs=2", "model.units=16", "test=false", "logger=none"]
VARIED = ["augmentation=standard", "augmentation.rotate=15", "augmentation.brightness=0.2"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(*overrides):
    return train(compose([*QUICK, *overrides]))


def weights(result):
    return read_checkpoint(result.run_dir / "checkpoints" / "last.ckpt")["state_dict"]


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def test_strengths_of_zero_train_what_is_trained_without_and_others_do_not():
    plain = weights(trained())
    assert equal(plain, weights(trained("augmentation=rotate", "augmentation.rotate=0")))
    assert equal(plain, weights(trained("~augmentation")))
    varied = weights(trained(*VARIED))
    assert not equal(plain, varied)
    assert equal(varied, weights(trained(*VARIED)))


def test_a_stream_trains_what_lies_ready_trains():
    assert equal(
        weights(trained(*VARIED)), weights(trained(*VARIED, "data.placement=stream", "data.num_workers=0"))
    )


@pytest.mark.parametrize("judged", ["kfold", "bootstrap"])
def test_folds_and_resamples_vary_their_samples_as_they_do_one_by_one(judged, capsys, monkeypatch):
    from lightune.training.fused import fold_strategy

    monkeypatch.setattr(fold_strategy, "LEAST_STEPS_ON_CPU", 0)
    fits = "validation.k=2" if judged == "kfold" else "validation.n=2"
    settings = [*VARIED, f"validation={judged}", fits, "trainer.precision=64-true", "loss.class_weights=balanced"]
    together, apart = (trained(*settings, f"validation.fused={how}") for how in ("auto", "never"))
    assert "trained as one program" in (together.run_dir / "train.log").read_text()
    close(together.metrics, apart.metrics, rel=1e-5)
    assert together.metrics["val/loss"] > 0


@pytest.mark.slow
def test_trials_of_different_strengths_train_as_one_program_what_they_train_alone(cli, tmp_path):
    swept = ["-m", "hydra/sweeper=basic", "augmentation.rotate=0,25", "augmentation=none,standard"]
    quick = ["trainer=cpu", "trainer.max_epochs=2", "model.units=16", "trainer.precision=64-true"]
    found = {}
    for launcher in ("fused", "basic"):
        folder = tmp_path / "outputs" / launcher
        code, out, err = cli(f"hydra/launcher={launcher}", f"hydra.sweep.dir={folder}", *swept, *quick)
        assert code == 0, err
        assert ("as one program" in out + err) == (launcher == "fused")
        found[launcher] = [result_of(folder / "trials" / str(number)) for number in range(4)]
    for one, other in zip(found["fused"], found["basic"], strict=True):
        close(one["metrics"], other["metrics"], rel=1e-5)
    assert len({json.dumps(one["metrics"]) for one in found["fused"]}) == 4


@pytest.mark.parametrize(("kind", "option"), [("image", "auto"), ("image", "color"), ("audio", "audio")])
def test_pictures_and_sounds_from_files_are_varied(kind, option, tmp_path):
    source = write_source(kind, tmp_path)
    data = prepare(compose([*SMALL[kind], f"data.path={source}", f"augmentation={option}"])).data
    inputs, _ = next(iter(data.train_dataloader()))
    assert inputs.shape[1:] == data.input_shape
    assert inputs.isfinite().all()
    assert data.variation is not None


def test_data_that_make_their_own_batches_are_refused(tmp_path, monkeypatch):
    (tmp_path / "own_batches.py").write_text(
        "from lightune.data import Digits\n"
        "class Own(Digits):\n"
        "    def train_dataloader(self):\n"
        "        return super().train_dataloader()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from lightune.config.trust import trust

    trust("own_batches")
    own = "data._target_=own_batches.Own"
    with pytest.raises(
        ConfigError, match="augmentation  Own makes training batches of its own, which flip cannot"
    ):
        prepare(compose([own, "augmentation=flip"]))
    prepare(compose([own]))


def rare_table(folder, rows=400):
    """Write a table of two classes that overlap, one row in ten of the second."""
    drawn = np.random.default_rng(0)
    rare = np.arange(rows) % 10 == 0
    values = drawn.normal(size=(rows, 2)) + rare[:, None] * 1.2
    lines = [f"{a:.4f},{b:.4f},{'yes' if own else 'no'}" for (a, b), own in zip(values, rare, strict=True)]
    (folder / "rare.csv").write_text("a,b,ill\n" + "\n".join(lines) + "\n")
    return ["data=csv", "data.path=rare.csv", "data.target=ill", "trainer.max_epochs=30", "optimizer.lr=0.01"]


@pytest.mark.parametrize("loss", ["cross_entropy", "bce"])
def test_balanced_classes_find_more_of_the_rare_one(tmp_path, loss):
    table = [*rare_table(tmp_path), f"loss={loss}", "test=true", "monitor.metric=val/loss", "monitor.mode=min"]
    found = {how: trained(*table, f"loss.class_weights={how}") for how in ("none", "balanced")}
    recalls = {how: result.metrics["test/recall"] for how, result in found.items()}
    assert recalls["balanced"] > recalls["none"] + 0.15
    weighed = found["balanced"].run_dir
    tested = {name: value for name, value in found["balanced"].metrics.items() if name.startswith("test/")}
    assert evaluate(weighed) == pytest.approx(tested)
    assert load(weighed).predict_proba([{"a": 3.0, "b": 3.0}]).shape == (1, 2)


def test_the_validation_loss_counts_all_samples_the_same(tmp_path):
    parts = prepare(compose([*QUICK, *rare_table(tmp_path), "loss.class_weights=[1,9]"]))
    x, target = next(iter(parts.data.val_dataloader()))
    result = trained(*rare_table(tmp_path), "loss.class_weights=[1,9]", "trainer.max_epochs=1")
    task = parts.task
    task.load_state_dict(weights(result))
    task.eval()
    plain = torch.nn.functional.cross_entropy(task(x), target)
    assert result.metrics["val/loss"] == pytest.approx(plain.item(), rel=1e-5)


def test_each_fold_weighs_classes_by_its_own_training_rows():
    from lightune.config.build import build_fit

    cfg = compose(
        [
            *QUICK,
            "data=breast_cancer",
            "validation=kfold",
            "validation.k=3",
            "validation.stratify=false",
            "loss.class_weights=balanced",
        ]
    )
    parts = prepare(cfg)
    seen = []
    for plan in parts.plans:
        task = build_fit(cfg, parts.data, plan)
        labels = parts.data.samples.targets[torch.from_numpy(plan.split.train)]
        counts = torch.bincount(labels)
        assert task.loss.weights.tolist() == pytest.approx((len(labels) / (2 * counts)).tolist())
        seen.append(tuple(counts.tolist()))
    assert len(set(seen)) > 1


def test_a_weight_for_each_class_is_wanted_before_anything_starts():
    for words, said in (
        (["loss.class_weights=[1,2]"], "loss.class_weights  must be a weight for each of the 10 classes, got 2"),
        (["loss.class_weights=[1,0]"], "loss.class_weights"),
        (["loss.class_weights=even"], "loss.class_weights"),
    ):
        with pytest.raises(ConfigError, match=said):
            prepare(compose(words))
    assert not Path("outputs").exists()
