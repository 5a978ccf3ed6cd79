"""`hydra/launcher=fused`: each member leaves what the same ordinary run leaves."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from closeness import close
from curves import curves
from epoch_watch import ON, watching
from fused_members import killed_in_epoch
from studies import result_of

from lightune import evaluate, resume
from lightune.checkpoints import read_checkpoint
from lightune.engine.fused.loop import FusedLoop
from lightune.run import TrainingError

SMALL = ("trainer=cpu", "trainer.precision=64-true", "trainer.max_epochs=4", "model.units=16")


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Run a multirun in this process; return its folder, its exit code, and what was said."""
    monkeypatch.chdir(tmp_path)
    from lightune.cli import train

    def run(launcher, *overrides):
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments(launcher, *overrides)])
        code = 0
        try:
            train.main()
        except SystemExit as stop:
            code = stop.code or 0
        except TrainingError:
            code = 1
        return tmp_path / "outputs" / "studies" / launcher / "trials", code, "".join(capsys.readouterr())

    return run


def arguments(launcher, *overrides):
    chosen = ("hydra/sweeper=basic", f"hydra/launcher={launcher}", f"hydra.sweep.dir=outputs/studies/{launcher}")
    return ["-m", *chosen, *SMALL, *overrides]


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer.lr=1e-3,3e-2", "seed=0,1", "model.dropout=0.3"),
        ("optimizer=sgd", "optimizer.momentum=0.0,0.9", "scheduler=warmup_cosine", "regularization.l2=0.0,1e-3"),
        ("optimizer.lr=3e-2,1e-5", "callbacks.early_stopping.patience=1", "scheduler=plateau", "logger=csv"),
    ],
    ids=["seeds and dropout", "a schedule of steps", "early stopping"],
)
def test_a_member_leaves_what_the_same_run_alone_leaves(sweep, overrides):
    together, code, said = sweep("fused", *overrides)
    assert (code, "as one program" in said) == (0, True)
    alone, _, _ = sweep("basic", *overrides)
    for ours, theirs in zip(sorted(together.iterdir()), sorted(alone.iterdir()), strict=True):
        one, other = result_of(ours), result_of(theirs)
        differing = ("seconds", "samples_per_second", "provenance")
        for name in one.keys() - set(differing):
            close(one[name], other[name])
        assert one["seconds"].keys() == other["seconds"].keys()
        assert one["provenance"]["data"] == other["provenance"]["data"]
        assert [p.name for p in sorted((ours / ".hydra").iterdir())] == [
            "config.yaml",
            "hydra.yaml",
            "overrides.yaml",
        ]
        assert (ours / ".hydra/config.yaml").read_text() == (theirs / ".hydra/config.yaml").read_text()
        close(curves(ours), curves(theirs))
        if (ours / "metrics.csv").exists():
            heads = [(trial / "metrics.csv").read_text().splitlines() for trial in (ours, theirs)]
            assert [len(head) for head in heads] == [len(heads[0])] * 2
            assert sorted(heads[0][0].split(",")) == sorted(heads[1][0].split(","))
        for name in ("best", "last"):
            left, right = (read_checkpoint(trial / "checkpoints" / f"{name}.ckpt") for trial in (ours, theirs))
            for key in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
                close(left[key], right[key], 1e-5)
            assert torch.equal(left["random_state"][0]["torch"], right["random_state"][0]["torch"])
        assert evaluate(ours) == pytest.approx(evaluate(theirs), rel=1e-5)


def test_a_member_can_be_made_longer_alone(sweep):
    together, _, _ = sweep("fused", "optimizer.lr=1e-3,1e-2", "model.dropout=0.2")
    alone, _, _ = sweep("basic", "optimizer.lr=1e-3,1e-2", "model.dropout=0.2")
    ours, theirs = (resume(folder / "1", ["trainer.max_epochs=6"]) for folder in (together, alone))
    assert (ours.epochs, ours.steps) == (theirs.epochs, theirs.steps) == (6, 120)
    close(ours.metrics, theirs.metrics, 1e-5)
    close(curves(together / "1"), curves(alone / "1"), 1e-5)


def test_a_loss_that_is_no_number_fails_that_member_only(sweep):
    together, code, said = sweep("fused", "optimizer=sgd", "optimizer.lr=1e-2,1e30,3e-2", "trainer.max_epochs=2")
    assert (code, "as one program" in said) == (1, True)  # Hydra's own sweeper ends with what failed
    results = [result_of(together / str(number)) for number in range(3)]
    assert [result["status"] for result in results] == ["completed", "failed", "completed"]
    assert results[1]["error"]["type"] == "NonFiniteLossError"
    assert (together / "1" / results[1]["error"]["traceback_file"]).exists()
    alone, _, _ = sweep("basic", "optimizer=sgd", "optimizer.lr=1e30", "trainer.max_epochs=2")
    assert results[1]["error"]["message"] == result_of(alone / "0")["error"]["message"]
    assert results[1]["steps"] == result_of(alone / "0")["steps"]


def test_what_cannot_be_fused_runs_alone_and_says_why(sweep):
    together, code, said = sweep(
        "fused", "model.units=8,16", "trainer.max_epochs=1", "+trainer.accumulate_grad_batches=1,2"
    )
    assert code == 0
    assert "alone  job 0: no other in its process differs from it in numbers only" in said
    assert "alone  job 1: trainer.accumulate_grad_batches=2 has no fused form" in said
    assert [result_of(trial)["status"] for trial in sorted(together.iterdir())] == ["completed"] * 4


def test_structures_form_programs_of_their_own(sweep):
    _, code, said = sweep("fused", "optimizer.lr=1e-3,1e-2", "model.units=8,16", "trainer.max_epochs=1")
    assert (code, said.count("as one program")) == (0, 2)


@pytest.mark.parametrize("width", ["1", "many", "2.5"])
def test_a_width_that_is_none_is_refused(sweep, width):
    folder, code, said = sweep("fused", "seed=0,1", f"hydra.launcher.fused_width={width}")
    assert (code, folder.exists()) == (2, False)
    assert "hydra.launcher.fused_width" in said
    assert f"got {width}" in said


def test_a_width_bounds_the_programs(sweep):
    _, code, said = sweep("fused", "seed=0,1,2,3", "hydra.launcher.fused_width=2", "trainer.max_epochs=1")
    assert (code, said.count("fused  2 jobs as one program")) == (0, 2)


def test_members_that_have_a_result_are_not_trained_again(sweep, monkeypatch):
    again = ("~hydra.callbacks.lightune", "optimizer.lr=1e-3,1e-2,3e-2", "trainer.max_epochs=2")
    together, _, _ = sweep("fused", *again)
    before = [result_of(together / str(number)) for number in range(3)]
    (together / "1" / "result.json").unlink()
    kept = (together / "0" / "result.json").stat().st_mtime_ns
    _, code, said = sweep("fused", *again)
    assert code == 0
    assert said.count("done   job") == 2
    assert (together / "0" / "result.json").stat().st_mtime_ns == kept
    close(result_of(together / "1")["metrics"], before[1]["metrics"])


@pytest.mark.usefixtures("_watched_epochs")
def test_a_group_that_was_killed_ends_as_if_it_had_been_left_alone(sweep):
    again = ("~hydra.callbacks.lightune", "optimizer.lr=1e-3,1e-2", "callbacks.checkpoint.every_seconds=0", ON)
    killed_in_epoch(2, *arguments("fused", *again))
    trained = []
    with watching(lambda folder, epoch: trained.append((Path(folder).name, epoch))):
        together, code, _ = sweep("fused", *again)
    assert (code, trained) == (0, [("0", 2), ("1", 2), ("0", 3), ("1", 3)])
    left_alone = [result_of(together / str(number)) for number in range(2)]
    drawn = [curves(together / str(number)) for number in range(2)]
    for number in range(2):
        (together / str(number) / "result.json").unlink()
        shutil.rmtree(together / str(number) / "checkpoints")
        for file in (together / str(number)).glob("events.*"):
            file.unlink()
    sweep("fused", *again)
    for number in range(2):
        close(left_alone[number]["metrics"], result_of(together / str(number))["metrics"])
        close(drawn[number], curves(together / str(number)))
        assert left_alone[number]["epochs"] == 4


@pytest.mark.usefixtures("_watched_epochs")
@pytest.mark.parametrize("error", [RuntimeError("no memory"), torch.OutOfMemoryError("no memory")])
def test_what_breaks_a_program_costs_no_job_and_stops_no_later_one(sweep, monkeypatch, error):
    train_a_round = FusedLoop.round

    def break_the_first(self):
        if len(self.active) == 2:
            raise error
        train_a_round(self)

    monkeypatch.setattr(FusedLoop, "round", break_the_first)
    swept = ("seed=0,1", "model.units=8", "trainer.max_epochs=2", "callbacks.checkpoint.every_seconds=0")
    together, code, said = sweep("fused", *swept)
    assert code == 0, said
    assert f"alone  job 1: its program ended with {type(error).__name__}: no memory" in said
    assert [result_of(trial)["status"] for trial in sorted(together.iterdir())] == ["completed"] * 2
    assert [result_of(trial)["epochs"] for trial in sorted(together.iterdir())] == [2] * 2


def test_jobs_that_are_all_refused_say_why(sweep, tmp_path):
    _, code, said = sweep("fused", "~hydra.callbacks.lightune", "output_root=elsewhere", "seed=0,1")
    assert code == 2, said
    assert "hydra.sweep.dir" in said
    assert "must lie below output_root (elsewhere)" in said
    assert not list(tmp_path.rglob("result.json"))
