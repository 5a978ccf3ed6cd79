"""What a run finds for itself is what it trains with, once, and nothing else is changed by it."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from epoch_watch import ON, at_epoch
from PIL import Image
from refusals import problem_of

from lightune import compose, resume, train
from lightune.errors import InterruptedRun, TrainingError
from lightune.reporting.found import FILE_NAME
from lightune.reporting.result import read_result
from lightune.training import finding
from lightune.training.fused.compatibility import check_supported

SHORT = ["trainer=cpu", "data=wine", "model.units=16", "metrics.bootstrap=0", "test=false", "trainer.max_epochs=3"]
SMALL = [*SHORT, "data.batch_size=4", "logger=none"]
BOTH = ["trainer.lr_find=true", "trainer.batch_size_find=true"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(run, name="last"):
    return torch.load(run.run_dir / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def said(run_dir):
    return [
        line for line in (run_dir / "train.log").read_text().splitlines() if "_find" in line or "found" in line
    ]


def test_a_rate_that_learns_is_found_where_the_configured_one_does_not():
    bad = [*SHORT, "logger=none", "optimizer.lr=1e-7", "trainer.max_epochs=15"]
    plain, found = train(compose(bad)), train(compose([*bad, "trainer.lr_find=true"]))
    assert plain.found == {}
    assert plain.objective.value < 0.8
    assert found.objective.value > 0.9
    assert found.found["optimizer.lr"] > 1e-4


def test_a_run_that_finds_is_the_run_that_was_told():
    found = train(compose([*SMALL, *BOTH, "regularization.dropout=0.2", "augmentation=none"]))
    told = [f"{key}={value}" for key, value in found.found.items()]
    assert len(told) == 2
    typed = train(compose([*SMALL, "regularization.dropout=0.2", *told]))
    assert same(weights(found), weights(typed))
    assert found.metrics == typed.metrics
    assert typed.found == {}
    assert not (typed.run_dir / FILE_NAME).exists()


def test_the_answer_is_in_the_result_and_drawn(here):
    run = train(compose([*SHORT, "data.batch_size=4", *BOTH]))
    assert read_result(run.run_dir).found == run.found
    content = json.loads((run.run_dir / FILE_NAME).read_text())
    size, rate = content["found"]
    assert (size["key"], size["before"], size["value"]) == (
        "data.batch_size",
        4,
        8,
    )  # 124 rows make 8 batches of 16
    assert "16 makes 8 batches an epoch, of which there should be 10" in size["why"]
    assert rate["value"] == run.found["optimizer.lr"]
    assert len(rate["tried"]) == len(rate["measured"]) > 20
    for name in ("lr_find.png", "batch_size_find.png"):
        assert np.asarray(Image.open(run.run_dir / name)).std() > 0
    lines = said(run.run_dir)
    assert any("trainer.batch_size_find: data.batch_size=8 in the place of 4" in line for line in lines)
    assert any(f"optimizer.lr={rate['value']:g} in the place of 0.001" in line for line in lines)
    events = b"".join(file.read_bytes() for file in run.run_dir.glob("events*"))
    assert b"found/lr_find" in events
    assert b"found/batch_size_find" in events


@pytest.mark.usefixtures("_watched_epochs")
def test_a_run_that_was_cut_off_goes_on_with_what_it_found(monkeypatch):
    words = [*SHORT, "data.batch_size=4", *BOTH, ON]
    whole = train(compose(words))
    with at_epoch(0, lambda: os.kill(os.getpid(), signal.SIGTERM)), pytest.raises(InterruptedRun) as stopped:
        train(compose(words))
    cut = stopped.value.result
    assert cut.found == whole.found
    monkeypatch.setattr(finding, "find_rate", None)  # nothing is looked for again
    monkeypatch.setattr(finding, "find_batch_size", None)
    resumed = resume(cut.run_dir)
    assert resumed.found == whole.found
    assert same(weights(resumed), weights(whole))
    assert resumed.metrics == whole.metrics
    assert any(f"as {FILE_NAME} of this run says" in line for line in said(cut.run_dir))


@pytest.mark.usefixtures("_watched_epochs")
def test_what_was_found_cannot_get_lost_or_change_midway():
    words = [*SHORT, *BOTH, ON]
    with at_epoch(0, lambda: os.kill(os.getpid(), signal.SIGTERM)), pytest.raises(InterruptedRun) as stopped:
        train(compose(words))
    run = stopped.value.result.run_dir
    key, message = problem_of(resume, run, ["trainer.lr_find=false"])
    assert (key, message) == (
        "trainer.lr_find",
        "cannot change when a run is resumed: what is found is found before it is trained; "
        "leave it away, got false",
    )
    (run / FILE_NAME).unlink()
    key, message = problem_of(resume, run)
    assert key == str(run / FILE_NAME)
    assert "put it back, or train anew" in message


def test_a_loss_that_falls_at_no_rate_leaves_the_rate():
    frozen = ["optimizer=sgd", "optimizer.lr=0.05", "regularization.gradient_clip=1e-12", "optimizer.momentum=0"]
    run = train(compose([*SHORT, *frozen, "logger=none", "trainer.lr_find=true"]))
    assert run.found == {"optimizer.lr": 0.05}
    assert any("optimizer.lr=0.05 stays: the loss fell at no rate" in line for line in said(run.run_dir))


def test_a_batch_that_fits_into_no_memory_is_a_failure(monkeypatch):
    def fails(*arguments, **how):
        raise ValueError("not even one sample fits into memory: 0.0 MB may be used")

    monkeypatch.setattr(finding, "find_batch_size", fails)
    with pytest.raises(TrainingError, match="not even one sample fits"):
        train(compose([*SMALL, "trainer.batch_size_find=true"]))


def test_transfer_keeps_the_proportion_of_its_rates(here):
    words = [
        "data=digits",
        "model=torchvision",
        "model.name=shufflenet_v2_x0_5",
        "model.body_lr=0.1",
        "logger=none",
    ]
    words += ["trainer=cpu", "trainer.max_epochs=1", "+trainer.limit_train_batches=1", "test=false"]
    words += ["model.image_size=32", "trainer.lr_find=true", "data.batch_size=32"]
    run = train(compose(words))
    state = torch.load(run.run_dir / "checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]
    head, body = (group["lr"] for group in state["param_groups"])
    assert head == pytest.approx(run.found["optimizer.lr"])
    assert body == pytest.approx(0.1 * head)


def test_what_finds_trains_alone():
    from omegaconf import OmegaConf

    def reason(*words):
        return check_supported(OmegaConf.to_container(compose(["trainer=cpu", *words]), resolve=True))

    assert reason() is None
    assert reason("trainer.lr_find=true") == "trainer.lr_find=True has no fused form"
    assert reason("trainer.batch_size_find=true") == "trainer.batch_size_find=True has no fused form"
