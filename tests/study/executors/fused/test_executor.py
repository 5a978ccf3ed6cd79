"""Studies with `hydra/launcher=fused`: trials are trained together and end as ordinary trials do."""

import json
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from curves import curves as read_curves
from curves import session_start
from epoch_watch import ON, at_epoch, watching
from fused_members import HALVING, SMALL, arguments, killed_in_epoch, reports, rows, told
from hydra.core.utils import JobStatus
from studies import result_of

from lightune.checkpoints import read_checkpoint
from lightune.cli import tools
from lightune.reporting.curves import read_curves as read_curve_file
from lightune.reporting.predictions import read_validation
from lightune.study.executors.executor import Done, Job
from lightune.study.executors.fused import executor as fused_executor
from lightune.study.executors.fused.candidate import CandidateLifecycle
from lightune.study.executors.fused.executor import FusedExecutor
from lightune.study.hydra.composer import Composer
from lightune.training.run_record import RunRecord
from lightune.trial import Trial

pytestmark = pytest.mark.long


def tool():
    tools.main(sys.argv[1:])


def curves(folder, number):
    drawn = read_curves(folder / "trials" / str(number))
    return {tag: [(step, pytest.approx(value, rel=1e-5)) for step, value in of] for tag, of in drawn.items()}


def content(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def hparams_of(folder):
    return sorted(session_start(folder).hparams)


def log_of(folder, number):
    return (folder / "trials" / number / "train.log").read_text()


@pytest.fixture(autouse=True)
def _logged(_watched_epochs):
    """Configurations may name what watches epochs."""


@pytest.mark.parametrize("launcher", ["fused", "basic"])
def test_a_study_goes_on_without_predictions_on_request_and_is_the_same_study(study, launcher):
    swept = ("optimizer.lr=1e-2,2e-2,3e-2,4e-2", "trainer.max_epochs=1")
    folder, _, _ = study(*swept, "search.n_trials=2", launcher=launcher)
    fewer = ("search.keep_predictions=false", "callbacks.checkpoint.keep=best")
    again, code, _ = study(*swept, *fewer, launcher=launcher)
    assert (code, again) == (0, folder)
    left = [(folder / "trials" / str(number) / "predictions_val.npz").exists() for number in range(4)]
    assert left == [True, True, False, False]
    left = [(folder / "trials" / str(number) / "checkpoints" / "last.ckpt").exists() for number in range(4)]
    assert left == [True, True, False, False]
    assert (folder / "trials" / "3" / "classes_val.csv").exists()


def test_trials_trained_together_end_as_those_trained_alone(study):
    swept = ("optimizer=sgd", "optimizer.lr=1e-2,1e30,3e-2", "trainer.max_epochs=2")
    together, code, said = study(*swept)
    assert (code, "fused  3 trials as one program on cpu: 0-2" in said) == (0, True)
    alone, _, _ = study(*swept, name="a", launcher="basic")
    assert [row["state"] for row in rows(together)] == ["completed", "failed", "completed"]
    for one, other in zip(rows(together), rows(alone), strict=True):
        assert [one[key] for key in ("number", "state", "optimizer.lr", "folder", "error")] == [
            other[key] for key in ("number", "state", "optimizer.lr", "folder", "error")
        ]
        assert one["val/accuracy"] == other["val/accuracy"]
    for number in ("0", "1", "2"):
        ours, theirs = together / "trials" / number, alone / "trials" / number
        left = [{name for name in content(folder) if not name.startswith("events")} for folder in (ours, theirs)]
        assert left[0] | {".lock"} == left[1] | {".lock", "console.log"}
        assert {"curves.csv", "classes_val.csv", "predictions_val.npz"} <= left[0] or number == "1"
        if number != "1":
            ours_said, theirs_said = read_validation(ours), read_validation(theirs)
            assert torch.equal(ours_said.rows, theirs_said.rows)
            assert torch.allclose(ours_said.predicted, theirs_said.predicted, atol=1e-6)
            assert read_curve_file(ours).keys() == read_curve_file(theirs).keys()
        assert hparams_of(ours) == hparams_of(theirs) == ["optimizer.lr"]
        for file in ("config.yaml", "overrides.yaml"):
            text = (theirs / ".hydra" / file).read_text().replace("study: a\n", "study: s\n")
            assert (ours / ".hydra" / file).read_text() == text.replace("search.study=a", "search.study=s")
    lines = (together / "trials" / "2" / "console.log").read_text().splitlines()
    assert lines[0].startswith("epoch 1/2  train/loss ")
    assert lines[1].startswith("epoch 2/2  train/loss ")
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "",
        "status",
        "val/accuracy",
        "time",
        "folder",
        "look at it",
    ]
    failed = (together / "trials" / "1" / "console.log").read_text()
    assert "\nerror       NonFiniteLossError: " in failed
    best = max((0, 2), key=lambda number: told(together, number)["objective"]["value"])
    _, code, said = study("best", str(together), "--json", main=tool)
    assert (code, json.loads(said)["number"]) == (0, best)
    _, code, said = study("evaluate", str(together), main=tool)
    assert (code, "test/accuracy" in said) == (0, True)


def test_the_poor_are_pruned_and_what_is_over_is_not_trained_again_after_a_kill(study):
    swept = ("optimizer.lr=1e-3,1e-8,1e-2", "search=grid", HALVING, "trainer.max_epochs=3", ON)
    killed_in_epoch(2, *arguments(*swept))
    folder, _, _ = study(main=lambda: None)
    assert told(folder, 1)["status"] == "pruned"
    kept = content(folder / "trials" / "1")
    reported = reports(folder)
    folder, code, said = study(*swept)
    assert (code, "fused  2 trials as one program on cpu: 0, 2" in said) == (0, True)
    assert [row["state"] for row in rows(folder)] == ["completed", "pruned", "completed"]
    assert content(folder / "trials" / "1") == kept
    assert [told(folder, number)["epochs"] for number in range(3)] == [3, 1, 3]
    assert [sorted(values) for values in reports(folder)] == [[1, 2], [1], [1, 2]]
    assert reports(folder) == [pytest.approx(values, rel=1e-6) for values in reported]
    whole, _, _ = study(*swept, name="whole")
    assert [row["state"] for row in rows(whole)] == ["completed", "pruned", "completed"]
    for number in range(3):
        assert told(folder, number)["metrics"] == pytest.approx(told(whole, number)["metrics"], rel=1e-6)


def test_a_signal_interrupts_all_and_the_same_command_goes_on(study):
    swept = ("optimizer.lr=1e-2,3e-3", "seed=0,1", "trainer.max_epochs=3", "search.fused_width=2", ON)
    with at_epoch(1, lambda: signal.raise_signal(signal.SIGTERM)):
        folder, code, said = study(*swept)
    assert (code, said.count("as one program")) == (143, 1)
    assert [row["state"] for row in rows(folder)] == ["interrupted"] * 2
    saved = [read_checkpoint(folder / "trials" / number / "checkpoints" / "last.ckpt")["epoch"] for number in "01"]
    assert len(set(saved)) == 1
    assert saved[0] >= 1  # the epoch that was under way came to its end
    _, code, said = study(*swept)
    assert all(f"going on from epoch {saved[0]}" in log_of(folder, number) for number in "01")
    assert (code, said.count("as one program"), "fused  2 more in free places: 2-3" in said) == (0, 1, True)
    assert [row["state"] for row in rows(folder)] == ["completed"] * 4
    assert [told(folder, number)["epochs"] for number in range(4)] == [3] * 4


def test_a_signal_between_two_epochs_saves_what_trains(study, monkeypatch):
    step = FusedExecutor._step
    rounds = []

    def asked(self):
        events = step(self)
        rounds.append(self._group is not None and not self._group.is_over)
        if rounds.count(True) == 2:
            signal.raise_signal(signal.SIGTERM)
        return events

    with monkeypatch.context() as patched:
        patched.setattr(FusedExecutor, "_step", asked)
        folder, code, said = study("optimizer.lr=1e-2,3e-3", "trainer.max_epochs=4")
    assert code == 143, said
    assert [row["state"] for row in rows(folder)] == ["interrupted"] * 2
    assert all((folder / "trials" / number / "checkpoints" / "last.ckpt").is_file() for number in "01")


def test_a_signal_while_trials_are_planned_interrupts_all(study, monkeypatch):
    swept = ("optimizer.lr=1e-2,3e-3", "trainer.max_epochs=2")
    with monkeypatch.context() as patched:
        patched.setattr(fused_executor, "plan", lambda *given, **how: signal.raise_signal(signal.SIGTERM))
        folder, code, said = study(*swept)
    assert code == 143, said
    assert [row["state"] for row in rows(folder)] == ["interrupted"] * 2
    _, code, said = study(*swept)
    assert (code, [row["state"] for row in rows(folder)]) == (0, ["completed"] * 2), said


def test_a_killed_program_goes_on_where_each_trial_was(study):
    swept = ("optimizer.lr=1e-3,3e-3,1e-2", "model.dropout=0.2", "trainer.max_epochs=4", "search=grid")
    swept += ("callbacks.checkpoint.every_seconds=0", "scheduler=warmup_cosine", ON)
    killed_in_epoch(2, *arguments(*swept))
    folder = study(main=lambda: None)[0]
    shutil.rmtree(folder / "trials" / "1" / "checkpoints")  # as if it had been cut off before its first
    trained = {}
    with watching(lambda folder, epoch: trained.setdefault(Path(folder).name, []).append(epoch)):
        _, code, said = study(*swept)
    assert (code, "fused  3 trials as one program" in said) == (0, True)
    assert trained == {"0": [2, 3], "1": [0, 1, 2, 3], "2": [2, 3]}
    whole, _, _ = study(*swept, name="whole")
    for number in range(3):
        one, other = told(folder, number), told(whole, number)
        assert (one["epochs"], one["steps"]) == (other["epochs"], other["steps"]) == (4, 80)
        assert one["metrics"] == pytest.approx(other["metrics"], rel=1e-6)
        assert curves(folder, number) == curves(whole, number)


def test_batches_are_as_wide_as_they_may_be(study):
    swept = ("optimizer.lr=tag(log,interval(1e-4,1e-1))", "trainer.max_epochs=1", "search.n_trials=4")
    folder, code, said = study("search=tpe", *swept, "hydra.sweeper.max_batch_size=2")
    assert code == 0, said
    assert "fused  2 trials" in said
    assert "fused  2 more in free places: 2-3" in said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 4
    _, code, said = study("search=random", *swept, "hydra.sweeper.max_batch_size=3", name="r")
    assert (code, "fused  3 trials" in said, "fused  1 more in free places: 3" in said) == (0, True, True)


def test_several_gpus_for_a_trial_that_shares_a_program_are_refused(study):
    folder, code, said = study("seed=0,1", "search.gpus_per_job=2")
    assert (code, folder.exists()) == (2, False)
    assert "search.gpus_per_job" in said
    assert "must be 1 where trials train together, on one device each, got 2" in said


def test_a_width_that_is_none_is_refused_by_its_name(study):
    folder, code, said = study("seed=0,1", "search.fused_width=1")
    assert (code, folder.exists()) == (2, False)
    assert "search.fused_width" in said
    assert "hydra.launcher" not in said


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


@pytest.fixture
def go_on(study, monkeypatch):
    """Run a study of two trials; return its folder, and what trains more jobs of it as a place of several does."""
    made, begin = {}, FusedExecutor.__init__

    def remember(self, context, **how):
        made.update(context=context, **how)
        begin(self, context, **how)

    with monkeypatch.context() as patched:
        patched.setattr(FusedExecutor, "__init__", remember)
        folder, code, said = study("optimizer.lr=1e-3,1e-2", "trainer.max_epochs=2")
    assert code == 0, said

    def run(*jobs):
        executor, ends = FusedExecutor(**made), {}
        for job in jobs:
            executor.submit(job)
        while len(ends) < len(jobs):
            ends |= {event.number: event for event in executor.wait(0.0) if isinstance(event, Done)}
        return ends

    return folder, run


def a_job(number, *, lr, resume=False, attempt=0):
    overrides = (*SMALL, "trainer.max_epochs=2", "search.study=s", f"optimizer.lr={lr}")
    return Job(Trial(number, resume=resume, attempt=attempt), overrides)


def test_a_trial_that_has_ended_meanwhile_is_not_opened_again(go_on):
    folder, run = go_on
    kept, value = content(folder / "trials" / "0"), told(folder, 0)["objective"]["value"]
    new = [a_job(number, lr=f"0.0{number}") for number in (2, 3)]
    ends = run(a_job(0, lr="0.001", resume=True), *new)
    assert (ends[0].outcome.status, ends[0].outcome.values) == ("completed", (value,))
    assert content(folder / "trials" / "0") == kept
    assert [told(folder, number)["epochs"] for number in (2, 3)] == [2, 2]


def test_a_start_after_a_failed_one_does_not_go_on_from_its_checkpoint(go_on, capfd):
    folder, run = go_on
    failed = content(folder / "trials" / "0" / "checkpoints")
    ends = run(a_job(0, lr="0.001", resume=True, attempt=1), a_job(2, lr="0.003"))
    assert ends[0].returned.status == JobStatus.COMPLETED
    assert content(folder / "trials" / "0" / "attempts" / "1" / "checkpoints") == failed
    said = capfd.readouterr().out
    assert "alone" not in said, said
    assert "2 trials as one program on cpu: 0, 2" in said
    assert "going on" not in (folder / "trials" / "0" / "train.log").read_text()
    assert told(folder, 0)["epochs"] == 2


def test_a_signal_in_the_round_that_ends_all_of_a_group_stops_the_study(study):
    with at_epoch(1, lambda: signal.raise_signal(signal.SIGTERM)):
        folder, code, said = study("seed=range(0,4)", "trainer.max_epochs=2", "search.fused_width=2", ON)
    assert code == 143, said
    assert [row["state"] for row in rows(folder)] == ["completed"] * 2


def test_a_signal_before_a_program_breaks_stops_the_study(study):
    def break_it():
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("no memory")

    with at_epoch(1, break_it):
        folder, code, said = study("optimizer.lr=1e-2,3e-3", "trainer.max_epochs=2", ON)
    assert code == 143, said
    assert [row["state"] for row in rows(folder)] == ["interrupted"] * 2


@pytest.mark.parametrize("owner", [CandidateLifecycle, Composer], ids=["a candidate", "a configuration"])
def test_a_signal_while_a_trial_is_made_waits_for_that(study, monkeypatch, owner):
    name = "make" if owner is CandidateLifecycle else "compose_for_job"
    original, ended = getattr(owner, name), []

    def make(self, *arguments):
        signal.raise_signal(signal.SIGTERM)
        ended.append(original(self, *arguments))
        return ended[-1]

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, make)
        folder, code, said = study("optimizer.lr=1e-2,3e-3", "trainer.max_epochs=2")
    assert (code, "Traceback" in said, bool(ended)) == (143, False, True), said
    _, code, said = study("optimizer.lr=1e-2,3e-3", "trainer.max_epochs=2")
    assert (code, [row["state"] for row in rows(folder)]) == (0, ["completed"] * 2), said


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_signal_that_comes_when_a_trial_writes_its_result_stops_the_study(study, monkeypatch, status):
    write = RunRecord._write

    def written(self, result):
        signal.raise_signal(signal.SIGTERM)
        write(self, replace(result, status=status))

    with monkeypatch.context() as patched:
        patched.setattr(RunRecord, "_write", written)
        folder, code, said = study("optimizer.lr=1e-2,3e-3", "trainer.max_epochs=1", launcher="basic")
    assert code == 143, said
    assert [row["state"] for row in rows(folder)] == [status]
