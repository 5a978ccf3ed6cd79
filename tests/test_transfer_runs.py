"""Transfer from the command line to predictions: what is frozen is computed once, and only that changes."""

import os
import signal

import pytest
import torch
import torchvision

from lightune import compose, load, resume, train
from lightune.data.frozen_features import FrozenFeatures
from lightune.errors import ConfigError
from lightune.evaluation import evaluate
from lightune.reporting.result import read_result
from lightune.run import InterruptedRun

pytestmark = pytest.mark.long

NAME = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Write weights of a network whose features tell classes apart a little: drawn, with statistics of noise."""
    file = tmp_path_factory.mktemp("weights") / "w.pth"
    torch.manual_seed(0)
    network = torchvision.models.get_model(NAME, weights=None).train()
    with torch.no_grad():
        for _ in range(30):
            network(torch.randn(32, 3, 32, 32))
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture
def words(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frozen = [f"model.weights={weights}", "model.freeze=features", "data.scaling=weights", "model.image_size=32"]
    network = ["data=digits", "model=torchvision", f"model.name={NAME}", *frozen]
    return [*network, "trainer=cpu", "trainer.max_epochs=3", "metrics.bootstrap=50", "optimizer.lr=0.01"]


@pytest.fixture
def computed(monkeypatch):
    """Count how often features are computed."""
    calls, before = [], FrozenFeatures._compute
    monkeypatch.setattr(FrozenFeatures, "_compute", lambda self, *how: calls.append(1) or before(self, *how))
    from lightune.data import frozen_features

    frozen_features._recent.clear()
    return calls


def said(run):
    return [line for line in (run.run_dir / "train.log").read_text().splitlines() if "frozen body" in line]


def test_a_head_learns_on_features_that_are_computed_once(words, computed):
    run = train(compose(words))
    assert run.objective.value > 0.4
    assert "computed once: 1797 x 1024" in said(run)[0]
    train(compose([*words, "optimizer.lr=0.1", "seed=3"]))
    train(compose([*words, "validation=kfold", "validation.k=3"]))
    assert computed == [1]


def test_the_next_process_finds_them_on_disk(words, computed, tmp_path):
    from lightune.data import frozen_features

    train(compose(words))
    assert len(list((tmp_path / "outputs/cache/features").iterdir())) == 1
    frozen_features._recent.clear()
    train(compose(words))
    assert computed == [1]


def test_figures_are_those_of_training_through_the_frozen_body(words, monkeypatch):
    once = train(compose(words))
    from lightune.config import build

    monkeypatch.setattr(build, "_compute_once", lambda *_: None)
    each = train(compose(words))
    assert "computed in every epoch" in said(each)[0]
    assert once.objective.value == pytest.approx(each.objective.value, abs=0.01)
    assert once.metrics["val/loss"] == pytest.approx(each.metrics["val/loss"], rel=1e-3)
    keys = [
        torch.load(run.run_dir / "checkpoints/best.ckpt", weights_only=True)["state_dict"].keys()
        for run in (once, each)
    ]
    assert keys[0] == keys[1]  # the body is in neither


def test_only_the_head_is_saved_and_the_whole_network_predicts(words):
    run = train(compose(words))
    checkpoint = run.run_dir / "checkpoints/best.ckpt"
    assert checkpoint.stat().st_size < 1_000_000
    assert evaluate(run.run_dir)["test/accuracy"] == pytest.approx(run.metrics["test/accuracy"])
    from lightune.data import Digits

    samples = Digits().samples
    model = load(run.run_dir)
    rows = (run.run_dir / "predictions.csv").read_text().splitlines()[1:]
    numbers = [int(row.split(",")[1]) for row in rows[:50]]
    predicted = model.predict(samples.inputs[numbers].numpy())
    assert [str(each) for each in predicted] == [row.split(",")[3] for row in rows[:50]]


def test_a_file_of_other_weights_is_told(words, weights, tmp_path):
    run = train(compose(words))
    content = weights.read_bytes()
    try:
        torch.manual_seed(1)
        torch.save(torchvision.models.get_model(NAME, weights=None).state_dict(), weights)
        with pytest.raises(Exception, match="it was trained on another body"):
            load(run.run_dir).predict(torch.zeros(1, 1, 8, 8))
    finally:
        weights.write_bytes(content)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (["augmentation=rotate"], "augmentation varies images before the body"),
        (["model.unfreeze_at=1"], "unfreeze_at=1 trains the body later"),
        (["model.freeze=stage2"], "freeze=stage2 trains some of the body"),
        (["model.weights=null"], "the body is drawn at random"),
    ],
)
def test_why_features_are_not_computed_once_is_said(words, extra, reason):
    run = train(compose([*words, *extra, "trainer.max_epochs=1", "++trainer.limit_train_batches=2", "test=false"]))
    assert said(run)[0].endswith(f"computed in every epoch: {reason}")


@pytest.mark.parametrize("after", [1, 21, 25])
def test_a_run_that_thaws_is_cut_at_any_epoch_and_goes_on_to_the_same_bits(words, after):
    from pytorch_lightning import Callback

    class Stop(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == after:
                os.kill(os.getpid(), signal.SIGTERM)

    thaws = [*words, "model.unfreeze_at=1", "model.body_lr=0.1", "model.layer_decay=0.7", "test=false"]
    thaws += ["data.batch_size=128", "trainer.max_epochs=3", "model.image_size=32"]
    whole = train(compose(thaws))
    with pytest.raises(InterruptedRun) as cut:
        train(compose(thaws), watchers=[Stop()])
    again = resume(cut.value.result.run_dir)
    states = [
        torch.load(run.run_dir / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for run in (whole, again)
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_heads_train_as_one_program(words, cli, tmp_path):
    swept = ["seed=0,1", "optimizer.lr=1e-3,1e-2"]
    code, out, err = cli("-m", "hydra/launcher=fused", *words, *swept, "test=false")
    assert code == 0, err
    assert "4 trials as one program" in out + err
    results = [read_result(file.parent) for file in (tmp_path / "outputs/studies").rglob("result.json")]
    assert len(results) == 4
    alone = train(compose([*words, "seed=1", "validation.split_seed=0", "optimizer.lr=1e-2", "test=false"]))
    assert any(abs(each.metrics["val/loss"] - alone.metrics["val/loss"]) < 1e-5 for each in results)


def test_it_is_exported_whole(words, tmp_path):
    from lightune.exporting import export

    run = train(compose([*words, "trainer.max_epochs=1"]))
    said = export(run.run_dir, to="torch_export", output=tmp_path / "network.pt2")
    assert (tmp_path / "network.pt2").stat().st_size > 1_000_000, said


def test_scaling_of_weights_is_for_networks_that_have_some(words):
    with pytest.raises(ConfigError, match=r"data\.scaling  weights is for .*; choose model=torchvision, vgg16"):
        train(compose(["data=digits", "data.scaling=weights", "trainer=cpu"]))
    with pytest.raises(ConfigError, match=r"model.*could not be downloaded|model.*must be null"):
        train(compose(["data=digits", "model=vgg16", "model.weights=NOTHING", "trainer=cpu"]))


def view_losses(run):
    from lightune.reporting.curves import read_curves

    return read_curves(run.run_dir)["train/loss"]


VARIED = ("augmentation=crop", "augmentation.rotate=20", "trainer.max_epochs=4", "test=false")


def test_views_are_those_of_the_first_epochs_and_are_computed_once(words, monkeypatch):
    from lightune.data import frozen_features

    frozen_features._recent.clear()
    live = train(compose([*words, *VARIED]))
    computed = []
    before = FrozenFeatures.of_views
    monkeypatch.setattr(FrozenFeatures, "of_views", lambda self, *how: computed.append(1) or before(self, *how))
    four, two = (train(compose([*words, *VARIED, f"model.views={views}"])) for views in (4, 2))
    assert view_losses(four) == pytest.approx(view_losses(live), rel=2e-3)
    assert four.metrics["val/loss"] == pytest.approx(live.metrics["val/loss"], rel=2e-3)
    assert view_losses(two)[:2] == pytest.approx(view_losses(live)[:2], rel=2e-3)
    assert view_losses(two)[2:] != pytest.approx(view_losses(live)[2:], rel=1e-3)
    lines = (four.run_dir / "train.log").read_text()
    assert "and of 4 augmented views of each training image" in lines
    frozen_features._recent.clear()
    monkeypatch.setattr(FrozenFeatures, "_compute", None)  # the next process finds all of it
    again = train(compose([*words, *VARIED, "model.views=4"]))
    assert view_losses(again) == view_losses(four)


def test_a_run_on_views_goes_on_to_the_same_bits(words):
    from pytorch_lightning import Callback

    class Stop(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == 65:  # in the fourth epoch, which draws views
                os.kill(os.getpid(), signal.SIGTERM)

    said_again = [*words, *VARIED, "model.views=2", "trainer.steps_per_execution=1"]
    whole = train(compose(said_again))
    with pytest.raises(InterruptedRun) as stopped:
        train(compose(said_again), watchers=[Stop()])
    resumed = resume(stopped.value.result.run_dir)
    assert resumed.metrics == whole.metrics
    ends = [
        torch.load(run.run_dir / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for run in (whole, resumed)
    ]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


@pytest.mark.parametrize(
    ("extra", "rule"),
    [
        (["model.views=2"], "nothing varies images; choose an augmentation, or 0"),
        (["model.views=2", "augmentation=crop", "model.unfreeze_at=1"], "and unfreeze_at=1 trains the body later"),
        (["model.views=2", "augmentation=crop", "regularization.mixup=0.2"], "and mixing changes images before"),
        (["model.views=-1"], "must be a whole number >= 0"),
    ],
)
def test_views_of_what_is_not_computed_once_are_refused(words, extra, rule):
    with pytest.raises(ConfigError, match=rule) as refusal:
        train(compose([*words, *extra]))
    assert [problem.key for problem in refusal.value.problems] == ["model.views"]
